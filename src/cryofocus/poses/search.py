"""Global search: the pose of every particle from its image and a map, nothing else being known.

All views, in-plane turns and shifts are compared at low resolution; the best few are followed
through finer grids with more detail; what is left is refined by gradient, and the likeliest pose
wins. The particles' own poses are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int

from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.data.images import HeldImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.sampling import shifts_in_disc, view_directions
from cryofocus.poses.candidates import Candidates, join
from cryofocus.poses.coarse import CoarseGrid
from cryofocus.poses.finer import GridStep, search_around
from cryofocus.poses.likelihood import PoseData, PoseModel
from cryofocus.poses.polar import PolarGrid
from cryofocus.poses.reference import make_reference
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import Poses, with_poses
from cryofocus.poses.scope import SearchLevel, SearchScope

# Images in memory at a time; what is computed of them is far larger than they are.
CHUNK_PARTICLES = 128


@dataclass(frozen=True, eq=False)
class FoundPoses:
    """Poses found from nothing, and how sure each is to be the right one of all.

    Attributes:
        rotation: `(n, 3, 3)` A of `cryofocus.maths.rotations`.
        shift_angstrom: `(n, 2)` what centres the particle, x and y.
        angle_error_degrees: `(n,)` root-mean-square error to expect of angles if this is the right
            answer.
        shift_error_angstrom: `(n,)` the same of shifts.
        log_likelihood_gain: `(n,)` over an image of nothing but noise, natural logarithm.
        margin: `(n,)` log-likelihood over that of the next best different answer.
        confidence: `(n,)` posterior probability of the answer among all that were followed.
    """

    rotation: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    angle_error_degrees: Float64[np.ndarray, " n"]
    shift_error_angstrom: Float64[np.ndarray, " n"]
    log_likelihood_gain: Float64[np.ndarray, " n"]
    margin: Float64[np.ndarray, " n"]
    confidence: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        """Count the particles."""
        return len(self.rotation)

    @classmethod
    def empty(cls, n: int) -> FoundPoses:
        """Return n answers to be filled in."""
        return cls(np.zeros((n, 3, 3)), np.zeros((n, 2)), *np.zeros((5, n)))

    def put(self, chosen: Int[np.ndarray, " m"], found: FoundPoses) -> None:
        """Fill some of the answers in, in place."""
        for field in fields(self):
            getattr(self, field.name)[chosen] = getattr(found, field.name)


@dataclass(frozen=True, eq=False)
class PoseSearch:
    """A reference laid out for searching.

    Attributes:
        model: Reference, noise and intensities.
        grid: The reference's padded transform.
        coarse: The first level.
        scope: What is searched.
    """

    model: PoseModel
    grid: Complex64[np.ndarray, "edge edge half 1"]
    coarse: CoarseGrid
    scope: SearchScope

    @classmethod
    def prepare(
        cls,
        volume: Float32[np.ndarray, "box box box"],
        images: ParticleImages,
        noise: NoiseModel,
        scale_prior: ScalePrior,
        scope: SearchScope,
        kernels: SliceKernels,
    ) -> PoseSearch:
        """Lay a map out.

        Args:
            volume: Map on the images' grid.
            images: Whose grid and magnifications count.
            noise: Noise spectra.
            scale_prior: Of the particles' intensities, relative to the map.
            scope: What to search.
            kernels: Slice kernels of the device.
        """
        particles = images.particles
        extent = particles.box * particles.pixel_size_angstrom
        reference = make_reference(volume, images, n_shells(extent, scope.max_resolution_angstrom))
        grid = np.ascontiguousarray(reference.grid[..., :1])
        first, radius = scope.levels[0], scope.diameter_angstrom / 2
        n_rings = min(n_shells(extent, first.resolution_angstrom), reference.n_shells) - 1
        reach = min(radius + scope.max_shift_angstrom, extent)
        polar = PolarGrid.around(n_rings, radius / extent, reach / extent, first.degrees)
        coarse = CoarseGrid.of_reference(
            grid,
            polar,
            view_directions(first.degrees, scope.operators),
            shifts_in_disc(first.shift_angstrom, scope.max_shift_angstrom),
            extent,
            kernels,
        )
        return cls(PoseModel(reference, noise, scale_prior), grid, coarse, scope)

    def find(
        self,
        images: ParticleImages,
        kernels: SliceKernels,
        which: Int[np.ndarray, " n"],
        *,
        advance: Callable[[int], None] = lambda _: None,
    ) -> FoundPoses:
        """Search the poses of some particles; each depends on its own image alone.

        Args:
            images: Prepared images.
            kernels: Slice kernels of the device.
            which: Particles, in the order of the result.
            advance: Called with the number of particles done.
        """
        result = FoundPoses.empty(len(which))
        for start in range(0, len(which), CHUNK_PARTICLES):
            rows = np.arange(start, min(start + CHUNK_PARTICLES, len(which)))
            result.put(rows, self._find(hold_images(images, which[rows]), kernels))
            advance(len(rows))
        return result

    def _find(self, images: ParticleImages, kernels: SliceKernels) -> FoundPoses:
        """Go through all levels with one chunk."""
        band = self.model.reference.band(images.particles.box)
        chunk = images.load(band, np.arange(len(images)))
        data = PoseData.of_chunk(chunk, band, images, self.model.noise)
        first, *finer = self.scope.levels
        prior, operators = self.model.scale_prior, self.scope.operators
        candidates = self.coarse.search(data, prior, operators, first.n_candidates, images.threads)
        dropped: list[Candidates] = []
        step = GridStep(first.degrees, first.shift_angstrom)
        for level in finer:
            step = step.halved()
            within = data.narrowed(self._n_shells(images, level))
            around = search_around(within, self.grid, prior, candidates, step, kernels)
            ranked = around.distinct(operators, level.degrees, around.log_likelihood.shape[1])
            dropped.append(ranked.columns(slice(level.n_candidates, None)))
            candidates = ranked.columns(slice(level.n_candidates))
        return self._decide(images, candidates, dropped, kernels)

    def _n_shells(self, images: ParticleImages, level: SearchLevel) -> int:
        extent = images.particles.box * images.particles.pixel_size_angstrom
        return min(n_shells(extent, level.resolution_angstrom), self.model.reference.n_shells)

    def _decide(
        self,
        images: ParticleImages,
        candidates: Candidates,
        dropped: Sequence[Candidates],
        kernels: SliceKernels,
    ) -> FoundPoses:
        """Refine what is left and take the likeliest."""
        n, n_candidates = candidates.log_likelihood.shape
        refined = [
            refine_poses(
                with_poses(images, candidates.rotation[:, j], candidates.shift_angstrom[:, j]),
                self.model,
                kernels,
            )
            for j in range(n_candidates)
        ]
        gains = np.stack([poses.log_likelihood_gain for poses in refined], axis=1)
        gains[~np.isfinite(candidates.log_likelihood)] = -np.inf
        winner = gains.argmax(axis=1)
        best = Poses.empty(n)
        for j, poses in enumerate(refined):
            best.put(np.flatnonzero(winner == j), poses.take(winner == j))
        rotation = np.stack([poses.rotation for poses in refined], axis=1)
        shift = np.stack([poses.shift_angstrom for poses in refined], axis=1)
        answers = join([Candidates(rotation, shift, gains), *dropped], axis=1)
        return _rate(best, answers, self.scope)


def _rate(best: Poses, answers: Candidates, scope: SearchScope) -> FoundPoses:
    """Hold the likeliest poses against all other answers that were followed."""
    n, n_answers = answers.log_likelihood.shape
    different = answers.distinct(scope.operators, scope.resolved_degrees, n_answers)
    # The first is the best itself; an image of nothing but noise is one more answer.
    others = np.concatenate([different.log_likelihood[:, 1:], np.zeros((n, 1))], axis=1)
    gain = best.log_likelihood_gain
    excess = np.exp(np.minimum(others - gain[:, None], 0)).sum(axis=1)
    return FoundPoses(
        best.rotation,
        best.shift_angstrom,
        best.angle_error_degrees,
        best.shift_error_angstrom,
        gain,
        gain - others.max(axis=1),
        1 / (1 + excess),
    )


def n_shells(extent_angstrom: float, resolution_angstrom: float) -> int:
    """Count the shells from 0 to a resolution, for images of some extent."""
    return int(extent_angstrom / resolution_angstrom + 1e-6) + 1


def hold_images(images: ParticleImages, which: Int[np.ndarray, " n"]) -> ParticleImages:
    """Return the images of some particles, in memory, without poses."""
    particles = images.particles.take(which)
    unposed = replace(
        particles,
        rotation=np.broadcast_to(np.eye(3), particles.rotation.shape).copy(),
        shift_angstrom=np.zeros_like(particles.shift_angstrom),
    )
    return replace(images, particles=unposed, reader=HeldImages(images.reader.read(which)))
