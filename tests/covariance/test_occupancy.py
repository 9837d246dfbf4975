"""Joint least squares of the regions of single particles."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance.occupancy import (
    make_templates,
    occupancy_contrast,
    solve_occupancies,
)
from cryofocus.covariance.regions import Region
from cryofocus.errors import RegionError

BOX = 12


def cubes(*starts: int) -> np.ndarray:
    """Cubes of edge 2 on the diagonal."""
    inside = np.zeros((BOX,) * 3, dtype=bool)
    for start in starts:
        inside[start : start + 2, start : start + 2, start : start + 2] = True
    return inside


def particle(generator: np.random.Generator) -> np.ndarray:
    """Density in a ball and in the cubes, none in the solvent."""
    z, y, x = np.indices((BOX,) * 3) - BOX // 2
    inside = (z**2 + y**2 + x**2 < (BOX // 2) ** 2) | cubes(1, 6, 9)
    return np.where(inside, generator.uniform(0.5, 1, inside.shape), 0).astype(np.float32)


def test_templates_add_up_to_the_density() -> None:
    """Pieces and blocks share out the map; pieces are weighed by mass."""
    density = particle(np.random.default_rng(1))
    density[cubes(6)] *= 3
    regions = [Region("hand", cubes(1, 6)), Region("foot", cubes(9))]
    templates = make_templates(regions, density)
    np.testing.assert_allclose(templates.volumes.sum(axis=0), density)
    assert templates.content.shape == (2, 3)
    np.testing.assert_allclose(templates.content.sum(axis=1), 1)
    assert templates.content[0, 1] == pytest.approx(0.75, abs=0.05)
    np.testing.assert_allclose(templates.content[1], [0, 0, 1])
    assert len(templates.block_mass) == 16


def test_occupancies_are_measured_against_what_stays() -> None:
    """A block that is there in half of the particles does not make a region vary against it."""
    generator = np.random.default_rng(4)
    density = particle(generator)
    templates = make_templates([Region("hand", cubes(1)), Region("foot", cubes(9))], density)
    n, n_components = 3000, len(templates.volumes)
    information = templates.volumes.sum(axis=(1, 2, 3)).astype(np.float64)
    factors = np.zeros((n, n_components))
    factors[:, :2] = generator.choice([-1.0, 1.0], (n, 2))
    factors[:, 5] = factors[:, 0]
    quadratic = np.broadcast_to(np.diag(information), (n, n_components, n_components)).copy()
    errors = np.sqrt(information) * generator.standard_normal(factors.shape)
    linear = information * factors + errors
    contrast = occupancy_contrast(templates, linear, quadratic)
    assert contrast[0, 5] == 0
    np.testing.assert_allclose(contrast.sum(axis=1), 0, atol=1e-12)
    values, _ = solve_occupancies(linear, quadratic, contrast)
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.06


def test_a_region_of_solvent_is_refused() -> None:
    """A region in which the consensus has no density cannot be fitted."""
    density = np.where(cubes(1), np.float32(1), np.float32(0))
    with pytest.raises(RegionError, match="region foot: the consensus map has no density there"):
        make_templates([Region("hand", cubes(1)), Region("foot", cubes(9))], density)


def test_overlapping_regions_are_told_apart() -> None:
    """The estimates are unbiased though templates overlap, with the covariance they claim."""
    generator = np.random.default_rng(2)
    n, true = 4000, np.array([0.4, -1.0, 0.1])
    design = generator.standard_normal((n, 30, 3))
    design[..., 1] += 0.8 * design[..., 0]
    data = np.einsum("npc,c->np", design, true) + generator.standard_normal((n, 30))
    linear = np.einsum("npc,np->nc", design, data)
    quadratic = np.einsum("npc,npd->ncd", design, design)
    contrast = np.array([[1.0, 0, -1], [0, 1, -1]])
    values, noise = solve_occupancies(linear, quadratic, contrast)
    np.testing.assert_allclose(values.mean(axis=0), contrast @ true, atol=0.02)
    np.testing.assert_allclose(np.cov(values.T), noise.mean(axis=0), rtol=0.1)


def test_grey_scale_is_no_occupancy() -> None:
    """A particle brighter as a whole holds no more of any region."""
    quadratic = np.diag([2.0, 3.0, 50.0])[None] + 0.3
    brighter = np.einsum("ncd,d->nc", quadratic, np.full(3, 0.2))
    contrast = np.array([[1.0, 0, -1], [0, 1, -1]])
    values, _ = solve_occupancies(brighter, quadratic, contrast)
    np.testing.assert_allclose(values, 0, atol=1e-4)
