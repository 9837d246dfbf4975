"""Evidence counts what images show, and nothing of what they have in common with themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.misfits.alternatives import (
    with_defocus,
    with_poses_of_others,
    with_shifts,
)
from cryofocus.consensus.misfits.evidence import Evidence
from planted import KERNELS
from samples import Beads, form_images, make_particles, wrap_images

BOX, N_SHELLS, N = 24, 10, 200


def evidence_of(
    signal: float, *, n_of_first: int = N // 2, defocus: tuple[float, float] = (8e3, 20e3)
) -> tuple[Evidence, Consensus]:
    """Images of beads with noise; the first half set has so many of them."""
    rng = np.random.default_rng(4)
    particles = make_particles(N, BOX, rng, defocus=defocus)
    beads = Beads(rng.normal(0, 10, (30, 3)), 5.0, np.full(30, 150.0))
    pixels = form_images(particles, signal * beads.slices(particles.rotation, BOX), 15.0, rng)
    half_set = (1 + (np.arange(N) >= n_of_first)).astype(np.int8)
    consensus = estimate_consensus(wrap_images(particles, pixels), half_set, KERNELS)
    return Evidence(consensus, half_set, N_SHELLS, KERNELS), consensus


def test_images_of_nothing_fit_no_better_as_they_were_told() -> None:
    """Their noise went into a map at these poses, but not into the one they are held against."""
    evidence, _ = evidence_of(0.0)
    sample = evidence.sample(np.arange(N), 128)
    told = evidence.of(sample, sample.images, any_sign=True)
    moved = replace(sample.images, particles=with_shifts(sample.images.particles, 3.0))
    assert abs(told.to_map - evidence.of(sample, moved, any_sign=True).to_map) < 5


def test_images_of_something_fit_at_their_own_poses() -> None:
    """Those of others take more than half of the evidence, and leave the rings alone."""
    evidence, _ = evidence_of(1.0)
    sample = evidence.sample(np.arange(N), 128)
    assert len(sample) == len(sample.half_set) == 128
    told = evidence.of(sample, sample.images, any_sign=False)
    others = replace(sample.images, particles=with_poses_of_others(sample.images.particles))
    fit = evidence.of(sample, others, any_sign=False)
    assert fit.to_map < 0.5 * told.to_map
    assert fit.to_rings == told.to_rings
    assert told.total == told.to_map + told.to_rings


def test_rings_of_strong_images_are_those_of_their_defocus() -> None:
    """Where coarse detail is all density and fine detail all noise, no other defocus has more."""
    evidence, _ = evidence_of(4.0, defocus=(2e3, 6e3))
    sample = evidence.sample(np.arange(N), N)
    told = evidence.of(sample, sample.images, any_sign=False)
    assert told.to_rings > 150
    for factor in (0.8, 0.9, 1.1, 1.25, 1.4):
        other = replace(sample.images, particles=with_defocus(sample.images.particles, factor))
        assert evidence.of(sample, other, any_sign=False).to_rings < told.to_rings + 5


def test_a_half_set_may_be_nearly_empty() -> None:
    """One image has the map of all others, and they that of one."""
    evidence, _ = evidence_of(1.0, n_of_first=1)
    sample = evidence.sample(np.arange(5), 5)
    assert np.isfinite(evidence.of(sample, sample.images, any_sign=True).total)
