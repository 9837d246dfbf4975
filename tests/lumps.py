"""Particles with lumps that come and go, of which one is always there."""

from __future__ import annotations

from functools import cache

import numpy as np

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.masks import sphere_mask
from samples import PIXEL_SIZE, Beads, form_images, make_particles, wrap_images

BOX, N_SHELLS, RADIUS = 32, 10, 9.0
KERNELS = CpuKernels(2)
PLACES = np.array([[20.0, 0, 0], [-20.0, 0, 0], [0, 22.0, 0], [0, -22.0, 0]])


def sphere(place: np.ndarray) -> np.ndarray:
    return sphere_mask(BOX, PIXEL_SIZE, tuple(place), RADIUS, 0.0) > 0.5


@cache
def make_ground(n: int = 600, noise_sd: float = 8.0) -> tuple[Ground, np.ndarray]:
    """A body with four lumps: the second follows the first, the third is free, one is constant."""
    generator = np.random.default_rng(3)
    particles = make_particles(n, BOX, generator)
    body = Beads(generator.normal(0, 7, (25, 3)), 5.0, np.full(25, 150.0))
    lumps = [
        Beads(place + generator.normal(0, 2, (5, 3)), 4.0, np.full(5, 120.0)) for place in PLACES
    ]
    first, third = generator.integers(2, size=(2, n))
    second = np.where(generator.uniform(size=n) < 0.9, first, 1 - first)
    present = np.stack([first, second, third, np.ones(n, int)], axis=1)
    slices = body.slices(particles.rotation, BOX)
    for column, lump in enumerate(lumps):
        slices = slices + present[:, column, None, None] * lump.slices(particles.rotation, BOX)
    # Grey scales differ, which is no variation of any region.
    slices = slices * generator.normal(1, 0.1, (n, 1, 1))
    images = form_images(particles, slices, noise_sd, generator)
    half_set = (1 + np.arange(n) // 2 % 2).astype(np.int8)
    consensus: Consensus = estimate_consensus(wrap_images(particles, images), half_set, KERNELS)
    whole = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=8.0)
    return Ground(consensus, whole, half_set, N_SHELLS, KERNELS, SilentMonitor()), present
