"""Which regions the states have, and how often."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.simulate.assembly.ribosome import PARTS, read_ribosome
from cryofocus.simulate.assembly.states import (
    COUPLED,
    INDEPENDENT,
    PATH,
    REGIONS,
    VARYING,
    all_states,
    mean_amplitudes,
    part_amplitudes,
    region_named,
    share_present,
)


def correlation(first: str, second: str) -> float:
    """Of the presence of two regions, over all states."""
    states, shares = all_states()
    there = states[:, [VARYING.index(first), VARYING.index(second)]].astype(float)
    x, y = (there - shares @ there).T
    return float(shares @ (x * y) / np.sqrt((shares @ x**2) * (shares @ y**2)))


def test_states_are_many_different_and_unequal() -> None:
    """At least twelve states, none twice, the most frequent ten times the rarest."""
    states, shares = all_states()
    assert len(states) >= 12
    assert len(np.unique(states, axis=0)) == len(states)
    assert shares.sum() == pytest.approx(1)
    assert shares.max() > 10 * shares.min() > 0


def test_nothing_is_built_before_its_time() -> None:
    """A region of the path is there only with all those before it."""
    states, _ = all_states()
    built = states[:, [VARYING.index(name) for name in PATH]]
    assert (built[:, 1:] <= built[:, :-1]).all()


def test_regions_go_together_as_their_kinds_say() -> None:
    """Coupled ones do, mostly; the independent one does with none; constant ones stay."""
    assert correlation(*COUPLED) == pytest.approx(0.64, abs=0.01)
    others = [name for name in VARYING if name != INDEPENDENT]
    assert max(abs(correlation(INDEPENDENT, name)) for name in others) < 1e-12
    assert abs(correlation(PATH[0], COUPLED[0])) < 1e-12
    assert correlation(PATH[0], PATH[1]) > 0.5
    for region in REGIONS:
        assert (share_present(region) == 1) == (region.kind in ("constant", "moving"))


def test_masses_of_regions_add_up() -> None:
    """Each part is in one region; small ones of 10 to 30 kDa are among those that vary."""
    ribosome = read_ribosome()
    assert sorted(part for region in REGIONS for part in region.parts) == sorted(PARTS)
    mass = {region.name: region.beads(ribosome).mass_kda.sum() for region in REGIONS}
    assert sum(mass.values()) == pytest.approx(ribosome.mass_kda.sum())
    assert sum(10 < mass[name] < 30 for name in VARYING) >= 2


def test_spheres_hold_their_regions() -> None:
    """No bead lies outside, and the sphere is hardly larger than it must be."""
    ribosome = read_ribosome()
    for region in REGIONS:
        sphere = region.sphere(ribosome)
        reach = sphere.distance_angstrom(region.beads(ribosome).centre_angstrom).max()
        assert sphere.radius_angstrom - 6 < reach < sphere.radius_angstrom


def test_means_are_averages_over_the_states() -> None:
    """Without a region it is missing, with it it is there; both together make the mean of all."""
    region = region_named("ef_g")
    every, without, present = mean_amplitudes(region)
    share = share_present(region)
    np.testing.assert_allclose(every, (1 - share) * without + share * present)
    assert (without[PARTS.index("ef_g")], present[PARTS.index("ef_g")]) == (0, 1)
    assert present[PARTS.index("l1_stalk")] > without[PARTS.index("l1_stalk")] + 0.5
    assert part_amplitudes(all_states()[0]).shape[1] == len(PARTS)
