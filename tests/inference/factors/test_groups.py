"""Particles that show the same come into one group, and each group's density is nearer to them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cryofocus.inference.factors import groups as groups_module
from cryofocus.inference.factors import model
from cryofocus.inference.factors.groups import ParticleGroups, group_particles
from lumps import BOX, PLACES, make_ground, sphere


@pytest.fixture(scope="module", autouse=True)
def few_cycles() -> Iterator[None]:
    """A few cycles tell lumps from noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "MAX_CYCLES", 6)
        yield


@pytest.fixture(scope="module")
def found(few_cycles: None) -> ParticleGroups:
    """Four groups of particles in which three lumps come and go."""
    found = group_particles(make_ground()[0], 4, seed=1)
    assert found is not None
    return found


def purity(labels: np.ndarray, present: np.ndarray) -> float:
    """Share of particles that agree with most of their group about a lump."""
    shares = [present[labels == k].mean() for k in np.unique(labels)]
    sizes = np.bincount(labels)
    return float(np.average([max(share, 1 - share) for share in shares], weights=sizes))


def test_groups_are_of_particles_that_look_alike(found: ParticleGroups) -> None:
    """Lumps that come and go together are there in nearly all particles of a group, or in few."""
    _, present = make_ground()
    assert found.labels.shape == (600,)
    assert len(found.deviations) == found.labels.max() + 1
    assert purity(found.labels, present[:, 0]) > 0.85


def test_densities_say_what_a_group_has(found: ParticleGroups) -> None:
    """Groups that have a lump more often have more density there, more so than where none goes."""
    _, present = make_ground()
    shares = [present[found.labels == k, 0].mean() for k in range(len(found.deviations))]
    changing, constant = (
        found.deviations[:, sphere(PLACES[lump])].mean(axis=1) for lump in (0, 3)
    )
    assert found.deviations.shape[1:] == (BOX,) * 3
    assert np.corrcoef(shares, changing)[0, 1] > 0.9
    assert constant.std() < 0.7 * changing.std()


def test_particles_that_were_not_fitted_are_placed_alike(
    found: ParticleGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fields from half of the images, placed a hundred at a time, groups are as pure."""
    monkeypatch.setattr(groups_module, "FIT_PARTICLES", 300)
    counted: list[int] = []
    half = group_particles(make_ground()[0], 4, seed=1, advance=counted.append)
    assert half is not None
    assert counted == [300, 300]
    _, present = make_ground()
    assert purity(half.labels, present[:, 0]) > purity(found.labels, present[:, 0]) - 0.1


def test_noise_has_no_groups() -> None:
    """Where particles differ by nothing but noise, or are too few, there are none."""
    assert group_particles(make_ground(200, 400.0)[0], 4, seed=1) is None
    assert group_particles(make_ground(200, 400.0)[0], 11, seed=1) is None
