"""What the best classifiers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import Imaging, prepare
from cryofocus.simulate.assembly.oracles import Oracles, Posteriors
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.states import all_states, part_amplitudes, region_named
from cryofocus.simulate.phantom import Sphere

SETTINGS = AssemblySettings(particles=160, seed=4, box=32, junk_share=0.0, correlation=0.5)
ALL = slice(0, SETTINGS.particles)
REGION = region_named("ef_g")


@pytest.fixture(scope="module")
def imaging() -> Imaging:
    """Few particles with little noise."""
    return prepare(SETTINGS)


@pytest.fixture(scope="module")
def densities(imaging: Imaging) -> Densities:
    """The maps of the same set."""
    return Densities(imaging)


def judge(densities: Densities, radius_angstrom: float | None = None) -> Posteriors:
    """Ask for EF-G in a sphere, by default one that holds it."""
    imaging = densities.imaging
    whole = REGION.sphere(imaging.ribosome)
    sphere = Sphere(whole.centre_angstrom, radius_angstrom or whole.radius_angstrom)
    parts = imaging.project(ALL)
    images = imaging.form(imaging.shown(parts, ALL), ALL)
    return Oracles.of(densities, REGION, sphere).judge(images, parts, ALL)


@pytest.fixture(scope="module")
def posteriors(densities: Densities) -> Posteriors:
    """Of the sphere that holds EF-G."""
    return judge(densities)


def fraction_right(posteriors: np.ndarray, imaging: Imaging) -> float:
    """Of the particles, by the more probable class."""
    return float(np.mean(posteriors.argmax(axis=1) == imaging.specimens.shows("ef_g")))


def test_posteriors_are_probabilities_that_come_true(
    imaging: Imaging, posteriors: Posteriors
) -> None:
    """Rows sum to one, and the highest is on average as often right as it says."""
    for one in vars(posteriors).values():
        assert one.dtype == np.float32
        np.testing.assert_allclose(one.sum(axis=1), 1, rtol=1e-5)
    right = np.mean(posteriors.states.argmax(axis=1) == imaging.specimens.state)
    assert posteriors.states.max(axis=1).mean() == pytest.approx(right, abs=0.08)
    promised = posteriors.focused.max(axis=1).mean()
    assert promised == pytest.approx(fraction_right(posteriors.focused, imaging), abs=0.06)


def test_the_oracles_find_the_region(imaging: Imaging, posteriors: Posteriors) -> None:
    """With little noise all are right nearly always; adding states gives the region."""
    has = part_amplitudes(all_states()[0])[:, PARTS.index("ef_g")] > 0
    states = posteriors.states
    known = np.stack([states[:, ~has].sum(axis=1), states[:, has].sum(axis=1)], axis=1)
    for one in (known, posteriors.focused, posteriors.model, posteriors.given):
        assert fraction_right(one, imaging) > 0.85


def test_a_sphere_that_cuts_the_region_tells_less(
    densities: Densities, posteriors: Posteriors
) -> None:
    """What is outside of the sphere does not inform its oracles."""
    cut = judge(densities, 25.0)
    for whole, part in ((posteriors.focused, cut.focused), (posteriors.model, cut.model)):
        assert part.max(axis=1).mean() < whole.max(axis=1).mean() - 0.02
    np.testing.assert_array_equal(cut.states, posteriors.states)


def test_a_run_cannot_know_the_true_poses(densities: Densities, posteriors: Posteriors) -> None:
    """Where the given poses are the true ones, only intensities and noise are estimated."""
    update = {"perturb_angle_degrees": 0.0, "perturb_shift_angstrom": 0.0}
    exact = replace(densities.imaging, settings=SETTINGS.model_copy(update=update))
    told = judge(Densities(exact))
    np.testing.assert_array_equal(told.model, posteriors.model)
    at_true, at_given = (np.abs(one.given - one.model).mean() for one in (told, posteriors))
    assert at_true < 0.5 * at_given
