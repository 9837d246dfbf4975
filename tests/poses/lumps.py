"""A lopsided lump of beads, or several that an axis carries into each other, from all sides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.grids import fit_box_2d
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.evidence import ANY_SCALE
from cryofocus.poses.scope import SearchScope
from cryofocus.poses.search import PoseSearch
from samples import PIXEL_SIZE, Beads, form_images, make_particles, wrap_images

BOX, RADIUS, RESOLUTION = 32, 28.0, 16.0
EXTENT = BOX * PIXEL_SIZE
KERNELS = CpuKernels(1)
C1, C2 = OperatorSet.point_group("C1"), OperatorSet.point_group("C2")


@dataclass(frozen=True)
class Lump:
    """Beads, and images of them at known poses."""

    beads: Beads
    images: ParticleImages

    @property
    def volume(self) -> np.ndarray:
        """The beads' density."""
        return self.beads.volume(BOX)

    def search(self, scope: SearchScope, volume: np.ndarray | None = None) -> PoseSearch:
        """Lay the true map, or another, out; noise is white."""
        volume = self.volume if volume is None else volume
        flat = np.full((1, BOX // 2 + 1), float(BOX**2))
        noise = NoiseModel(flat, np.zeros_like(flat))
        return PoseSearch.prepare(volume, self.images, noise, ANY_SCALE, scope, KERNELS)


def scope(operators: OperatorSet = C1, max_shift: float = 16.0) -> SearchScope:
    """Search to 16 Å in steps of 12 degrees at first."""
    return SearchScope(RESOLUTION, max_shift, 2 * RADIUS, operators, 12.0)


def make_lump(
    n: int,
    noise_sd: float,
    operators: OperatorSet = C1,
    shift_sd: float = 6.0,
    shift: np.ndarray | None = None,
) -> Lump:
    """Image beads under each operator; those given a shift are cut out of a larger field."""
    rng = np.random.default_rng(7)
    half = rng.normal(0, 11, (10, 3)) + np.array([6.0, 2.0, 0.0])
    half *= np.minimum(1, 0.8 * RADIUS / np.linalg.norm(half, axis=1, keepdims=True))
    weights = 50 + 150 * rng.random(10)
    centres = np.concatenate([half @ operator.T for operator in operators.rotation])
    beads = Beads(centres, 5.0, np.tile(weights, len(operators)))
    field = BOX if shift is None else 2 * BOX
    particles = make_particles(n, field, rng)
    shift = rng.normal(0, shift_sd, (n, 2)) if shift is None else shift
    particles = replace(particles, shift_angstrom=shift)
    pixels = form_images(particles, beads.slices(particles.rotation, field), noise_sd, rng)
    return Lump(beads, wrap_images(replace(particles, box=BOX), fit_box_2d(pixels, BOX)))
