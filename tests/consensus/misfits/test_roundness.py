"""A consensus of right poses has sides; one of others' poses is a ball."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.misfits.evidence import Evidence
from cryofocus.consensus.misfits.roundness import Roundness, measure_roundness
from planted import KERNELS
from samples import Beads, form_images, make_particles, wrap_images

BOX, N_SHELLS, N = 32, 13, 400


@cache
def roundness(noise_sd: float, *, is_mixed: bool, tilt_only: bool = False) -> Roundness:
    """Of images at their own poses, or at those of others; of all views, or of one side."""
    rng = np.random.default_rng(6)
    particles = make_particles(N, BOX, rng)
    if tilt_only:  # turned in the plane
        angle = rng.uniform(0, 2 * np.pi, N)
        turns = np.zeros((N, 3, 3))
        turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angle)
        turns[:, 0, 1], turns[:, 1, 0] = np.sin(angle), -np.sin(angle)
        turns[:, 2, 2] = 1
        particles = replace(particles, rotation=turns)
    beads = Beads(rng.normal(0, 14, (40, 3)), 4.0, np.full(40, 150.0))
    pixels = form_images(particles, beads.slices(particles.rotation, BOX), noise_sd, rng)
    if is_mixed:
        particles = replace(particles, rotation=particles.rotation[rng.permutation(N)])
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    consensus = estimate_consensus(wrap_images(particles, pixels), half_set, KERNELS)
    return measure_roundness(Evidence(consensus, half_set, N_SHELLS, KERNELS))


@pytest.mark.parametrize("noise_sd", [10.0, 40.0])
def test_own_poses_make_sides_and_those_of_others_a_ball(noise_sd: float) -> None:
    """In clear images and in noisy ones, by a factor of ten in between."""
    own, others = (roundness(noise_sd, is_mixed=one) for one in (False, True))
    assert not own.is_ball
    assert own.share > 0.3
    assert others.is_ball
    assert others.share < 0.03


def test_one_side_in_all_images_is_no_ball() -> None:
    """Turned in the plane, a side differs from itself; mixed up, it does not."""
    assert roundness(10.0, is_mixed=False, tilt_only=True).share > 0.3
    assert roundness(10.0, is_mixed=True, tilt_only=True).is_ball


def test_what_is_hardly_seen_is_not_called_a_ball() -> None:
    """Neither a poor map nor one that is round by chance."""
    ball = roundness(10.0, is_mixed=True)
    assert not replace(ball, shown=100.0).is_ball
    assert not replace(ball, share_with_noise=0.3).is_ball
