"""What the particles of a set are."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.errors import SettingError
from cryofocus.simulate.assembly.ribosome import read_motion
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.specimens import Assemblies, Junk, draw_assemblies
from cryofocus.simulate.assembly.states import all_states, part_amplitudes

SETTINGS = AssemblySettings(particles=4000, seed=3)


@pytest.fixture(scope="module")
def drawn() -> Assemblies:
    """Four thousand particles."""
    return draw_assemblies(SETTINGS)


def test_states_occur_as_often_as_they_should(drawn: Assemblies) -> None:
    """Counts stay within five standard deviations of their expectation."""
    _, shares = all_states()
    expected = shares * len(drawn)
    counts = np.bincount(drawn.state, minlength=len(shares))
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_junk_shows_what_is_left_of_it(drawn: Assemblies) -> None:
    """Empty particles show nothing, broken ones one subunit, all others their state."""
    assert np.mean(drawn.junk > 0) == pytest.approx(SETTINGS.junk_share, abs=0.02)
    assert set(np.unique(drawn.junk)) == set(Junk)
    assert not drawn.parts[drawn.junk == Junk.EMPTY].any()
    broken = drawn.junk == Junk.BROKEN
    assert (drawn.shows("core")[broken] != drawn.shows("small_body")[broken]).all()
    whole = np.isin(drawn.junk, (Junk.NOTHING, Junk.WRONG_CTF))
    states = part_amplitudes(all_states()[0])[drawn.state]
    np.testing.assert_array_equal(drawn.parts[whole], states[whole])


def test_only_junk_has_a_wrong_ctf(drawn: Assemblies) -> None:
    """The table's defocus is off by thousands of Å where it is wrong, and positive everywhere."""
    off = np.abs(drawn.told_ctf.defocus_u_angstrom - drawn.ctf.defocus_u_angstrom)
    is_wrong = drawn.junk == Junk.WRONG_CTF
    assert (off[is_wrong] > 3999).all()
    assert not off[~is_wrong].any()
    assert drawn.told_ctf.defocus_v_angstrom.min() > 3000
    assert 4000 < drawn.ctf.defocus_u_angstrom.min() < drawn.ctf.defocus_u_angstrom.max() < 46000


def test_the_subunit_rests_or_has_turned_and_the_head_swings(drawn: Assemblies) -> None:
    """Two places of the body, with a spread; a continuous swing, independent of it."""
    fraction = drawn.ratchet_degrees / read_motion()["body"].angle_degrees
    assert np.mean(np.abs(fraction - 0.5) < 0.1) < 0.02
    assert np.mean(fraction < 0.5) == pytest.approx(0.55, abs=0.03)
    assert np.std(fraction[fraction < 0.5]) == pytest.approx(0.12, abs=0.01)
    assert drawn.swing_degrees.std() == pytest.approx(4.0, abs=0.2)
    assert abs(np.corrcoef(fraction, drawn.swing_degrees)[0, 1]) < 0.06
    still = draw_assemblies(SETTINGS.model_copy(update={"motion": 0.0}))
    assert np.ptp(still.ratchet_degrees) == np.ptp(still.swing_degrees) == 0


def test_some_views_are_preferred_and_intensity_varies(drawn: Assemblies) -> None:
    """Views crowd around their axes unless none is preferred; intensities spread by a tenth."""
    uniform = draw_assemblies(SETTINGS.model_copy(update={"preferred_share": 0.0}))
    crowding = [np.linalg.norm(d.rotation[:, 2].mean(axis=0)) for d in (drawn, uniform)]
    assert crowding[0] > 0.1
    assert crowding[1] < 0.05
    assert drawn.intensity.std() == pytest.approx(0.1, abs=0.005)


def test_what_cannot_be_is_refused() -> None:
    """Bounds are told with the name of the setting."""
    with pytest.raises(SettingError, match="junk_share"):
        AssemblySettings(junk_share=1.0)
    with pytest.raises(SettingError, match="defocus_max_angstrom"):
        AssemblySettings(defocus_min_angstrom=50_000.0)
    with pytest.raises(SettingError, match="focus_region"):
        AssemblySettings(focus_region="tail")
