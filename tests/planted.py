"""Particles of known classes that differ in a small sphere, ready for classification."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan, measure_focus
from cryofocus.inference.deviations.prior import (
    consensus_spectrum,
    consensus_support,
)
from cryofocus.inference.deviations.problem import FocusProblem
from cryofocus.inference.deviations.sharded_statistics import hold
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import evaluate_ctf
from cryofocus.maths.fourier import forward_2d, hermitian_weights, shift_phases
from cryofocus.maths.masks import sphere_mask
from samples import MICROSCOPE, PIXEL_SIZE, Beads, form_images, make_particles, wrap_images

BOX, N_SHELLS = 32, 13
CENTRE, RADIUS, SOFT_EDGE = (20.0, 0.0, 0.0), 12.0, 4.0
KERNELS = CpuKernels(2)


@dataclass(frozen=True, eq=False)
class Planted:
    """Images, what they show, and the log-likelihood ratio of who knows both maps."""

    particles: ParticleSet
    images: np.ndarray
    labels: np.ndarray
    difference: np.ndarray
    oracle: np.ndarray

    @property
    def mask(self) -> FocusMask:
        """The sphere in which the classes differ."""
        return FocusMask(sphere_mask(BOX, PIXEL_SIZE, CENTRE, RADIUS, SOFT_EDGE), PIXEL_SIZE)


@cache
def plant(
    n: int = 300, *, noise_sd: float = 16.0, seed: int = 1, signal: float = 1.0, every: int = 2
) -> Planted:
    """A lump of density at one end of the sphere, or in every so many at the other."""
    rng = np.random.default_rng(seed)
    particles = make_particles(n, BOX, rng)
    labels = (np.arange(n) % every == 1).astype(int)
    body = Beads(rng.normal(0, 10, (25, 3)) - np.array([14.0, 0, 0]), 5.0, np.full(25, 150.0))
    lumps = [
        Beads(np.array(CENTRE) + rng.normal(0, 2, (4, 3)) + end, 4.0, np.full(4, 120.0))
        for end in (np.array([0.0, 0.0, 6.0]), np.array([0.0, 0.0, -6.0]))
    ]
    seen = [signal * lump.slices(particles.rotation, BOX) for lump in lumps]
    slices = signal * body.slices(particles.rotation, BOX) + np.where(
        labels[:, None, None] == 1, seen[1], seen[0]
    )
    images = form_images(particles, slices, noise_sd, rng)
    ctf = evaluate_ctf(particles.ctf, MICROSCOPE, BOX, PIXEL_SIZE)
    residual = forward_2d(images) * shift_phases(BOX, PIXEL_SIZE, particles.shift_angstrom)
    residual -= ctf * (signal * body.slices(particles.rotation, BOX) + 0.5 * (seen[0] + seen[1]))
    matched = (residual.conj() * ctf * (seen[1] - seen[0])).real @ hermitian_weights(BOX)
    oracle = matched.sum(axis=1) / (noise_sd * BOX) ** 2
    difference = lumps[1].volume(BOX) - lumps[0].volume(BOX)
    return Planted(particles, images, labels, difference, oracle)


@cache
def prepare(planted: Planted) -> tuple[FocusProblem, Consensus]:
    """Take the small-box statistics of a planted set."""
    half_set = (1 + np.arange(len(planted.labels)) // 2 % 2).astype(np.int8)
    consensus = estimate_consensus(
        wrap_images(planted.particles, planted.images), half_set, KERNELS
    )
    box = FocusBox.around(planted.mask.data, PIXEL_SIZE, N_SHELLS)
    background = whole_consensus(consensus, KERNELS)
    statistics = measure_focus(background, consensus.image_model, FocusPlan(box, N_SHELLS))
    reach = int(np.ceil(N_SHELLS * box.edge / box.sampled_box))
    space = DeviationSpace(box, min(reach, statistics.band.n_shells))
    inside = box.cut(consensus.map.full)
    spectrum = consensus_spectrum(space, inside)
    support = consensus_support(space, inside)
    problem = FocusProblem(hold(statistics, KERNELS), space, support, spectrum)
    return problem, consensus
