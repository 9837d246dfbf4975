"""The humanoid's beads: symmetry, what the spheres hold, other geometries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ncx2

from cryofocus.errors import SettingError
from cryofocus.simulate.phantom import GEOMETRIES, PARTS, Phantom, Sphere, humanoid

NEAR_MOVING = [PARTS.index(f"near_{p}") for p in ("arm_down", "arm_up", "hand_down", "hand_up")]


def mass_inside(phantom: Phantom, sphere: Sphere, parts: list[int]) -> float:
    """Fraction of the parts' density inside a sphere, exact for Gaussian beads."""
    chosen = np.isin(phantom.part, parts)
    sigma = phantom.sigma_angstrom[chosen]
    distance = sphere.distance_angstrom(phantom.centre_angstrom[chosen])
    inside = ncx2.cdf((sphere.radius_angstrom / sigma) ** 2, 3, (distance / sigma) ** 2)
    return float(np.average(inside, weights=phantom.weight[chosen]))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_focus_sphere_holds_all_that_moves(geometry: str) -> None:
    """Arm and hand, in both positions, lie within the focus sphere to 99.5 % of their density."""
    phantom = humanoid(geometry)
    for part in NEAR_MOVING:
        assert mass_inside(phantom, phantom.focus, [part]) > 0.995


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_control_sphere_holds_nothing_that_moves(geometry: str) -> None:
    """The control sphere sees part of the body and no density of any moving part."""
    phantom = humanoid(geometry)
    moving = list(range(1, len(PARTS)))
    assert mass_inside(phantom, phantom.control, moving) < 1e-4
    assert mass_inside(phantom, phantom.control, [0]) > 0.02


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_phantom_is_two_fold_symmetric(geometry: str) -> None:
    """Turning the phantom by 180 degrees about z exchanges near and far parts, bead by bead."""
    phantom = humanoid(geometry)
    turned = phantom.centre_angstrom * (-1.0, -1.0, 1.0)
    for part, name in enumerate(PARTS):
        mate = PARTS.index(name.replace("near", "far")) if "near" in name else part
        if "far" in name:
            continue
        here = turned[phantom.part == part]
        there = phantom.centre_angstrom[phantom.part == mate]
        np.testing.assert_array_equal(np.sort(here, axis=0), np.sort(there, axis=0))


def test_the_standard_phantom_fits_the_published_box() -> None:
    """Every bead lies within the 420 Å box, in every view."""
    assert humanoid().extent_angstrom() < 80 * 5.24 / 2


def test_scaling_moves_the_spheres_along() -> None:
    """A scaled phantom is larger, has the same mass, and its focus still holds what moves."""
    phantom = humanoid().scaled(1.2)
    assert phantom.weight.sum() == humanoid().weight.sum()
    assert phantom.extent_angstrom() == pytest.approx(1.2 * humanoid().extent_angstrom())
    assert mass_inside(phantom, phantom.focus, NEAR_MOVING) > 0.995


def test_an_unknown_geometry_is_refused() -> None:
    """The message lists the geometries there are."""
    with pytest.raises(SettingError, match="geometry: found 'centaur', expected one of standard"):
        humanoid("centaur")
