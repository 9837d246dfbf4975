"""Shifts beyond the nearest maximum are found where the prior allows them, and not elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.poses.prior import prior_of_width
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import with_poses
from samples import MICROSCOPE

from .planted_poses import Planted, perturb, plant

KERNELS = CpuKernels(1)
STRETCHED = Microscope(300.0, 2.7, 0.1, magnification_matrix=((1.03, 0.01), (0.01, 0.98)))


def off_by(planted: Planted, angstrom: float) -> np.ndarray:
    """Given shifts that are off by a length in all directions in turn."""
    angle = np.arange(len(planted.images)) * 2.4
    return planted.poses[1] + angstrom * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def errors_of(planted: Planted, shift_sd_angstrom: float | None) -> np.ndarray:
    """Errors of shifts after refinement from 24 Å away, under a prior or without one."""
    turned = perturb(planted.images, 2, 0).particles.rotation
    start = with_poses(planted.images, turned, off_by(planted, 24.0))
    prior = None if shift_sd_angstrom is None else prior_of_width(start, 3.0, shift_sd_angstrom)
    found = refine_poses(start, planted.model(12), KERNELS, prior=prior)
    return np.linalg.norm(found.shift_angstrom - planted.poses[1], axis=1)


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("microscope", [MICROSCOPE, STRETCHED])
def test_far_shifts_are_found_under_a_wide_prior(box: int, microscope: Microscope) -> None:
    """Given places off by more than the density's waves are mended, by ascent alone they stay."""
    planted = plant(30, box, 0.3, microscope)
    assert (errors_of(planted, 12.0) < 1.0).all()
    assert (errors_of(planted, None) > 5.0).mean() > 0.2


def test_a_narrow_prior_keeps_shifts_where_they_are() -> None:
    """Nothing is looked for beyond what the prior makes likely."""
    assert (errors_of(plant(30, 32, 0.3), 0.5) > 15.0).mean() > 0.5


def test_good_poses_are_not_moved_by_the_scan() -> None:
    """Poses that are right to begin with end where ascent alone brings them."""
    planted = plant(30, 32, 0.3)
    start, model = perturb(planted.images, 1, 1), planted.model(12)
    found = refine_poses(start, model, KERNELS, prior=prior_of_width(start, 5.0, 20.0))
    alone = refine_poses(start, model, KERNELS)
    np.testing.assert_allclose(found.shift_angstrom, alone.shift_angstrom, atol=0.2)
