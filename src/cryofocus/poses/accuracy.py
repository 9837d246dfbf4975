"""How far off the poses of a set seem to be, judged by what its maps leave of the images.

Errors delta of a pose leave a residual in five known directions of the image, the derivatives of
the prediction by the pose: the gradient g of the log-likelihood is F delta and noise, with Fisher
information F. Taken from two parts a and b of an image's coefficients, whose noise is independent,
products of gradients have the expectation F_a E F_b with the errors' covariance E, and none of the
noise. Every image is compared with the map of the other half set, which holds nothing of its noise
(docs/decisions/0023-errors-of-poses.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int, Int8

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.images import ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.half_maps import denoise_half_maps
from cryofocus.poses.likelihood import PoseData, PoseLikelihood, PoseModel, compare
from cryofocus.poses.reference import make_reference
from cryofocus.poses.result import ROTATIONS, SHIFTS

# Enough particles for a few per cent.
MOST_PARTICLES = 1000
# Shells of a part, before as many of the other follow: the noise of a map is alike in neighbours.
SHELLS_TOGETHER, FEWEST_SHELLS = 2, 6
# Excess, of which one is sure, at which errors of poses matter beside noise and true differences.
NOTICEABLE = 2.0
# How many standard deviations below an estimate one is sure.
SURE = 2.0
N_STEPS, N_BLOCKS = 12, 20
FIRST_ANGLE_RADIANS, FIRST_SHIFT_ANGSTROM = np.radians(1.0), 3.0
LEAST_VARIANCE = 1e-4

Derivatives = tuple[Float64[np.ndarray, "n 5"], Float64[np.ndarray, "n 5 5"]]
"""Gradient of the log-likelihood by the pose, and Fisher information on the pose."""
Compared = tuple[PoseLikelihood, PoseLikelihood]
"""Two parts of the same images."""


@dataclass(frozen=True)
class PoseAccuracy:
    """Errors that a set's poses seem to have.

    Attributes:
        angle_sd_degrees: Standard deviation of each of three rotations.
        shift_sd_angstrom: Standard deviation of each of two shifts.
        excess: How much of the residuals, in units of noise, has the shape of pose errors; 0 for
            exact poses.
        sure_excess: The same with errors as small as they may well be.
        most_angle_degrees: The largest standard deviation of rotations that may well be.
        most_shift_angstrom: The largest standard deviation of shifts that may well be.
        displacement_angstrom: By how much density is displaced in the images, as far as they tell.
    """

    angle_sd_degrees: float
    shift_sd_angstrom: float
    excess: float
    sure_excess: float
    most_angle_degrees: float
    most_shift_angstrom: float
    displacement_angstrom: float

    @property
    def is_limiting(self) -> bool:
        """Whether errors of the poses, rather than noise, are what images surely suffer from."""
        return self.sure_excess > NOTICEABLE


NOTHING_TOLD = PoseAccuracy(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def measure_accuracy(
    consensus: Consensus,
    half_set: Int8[np.ndarray, " particle"],
    n_shells: int,
    kernels: SliceKernels,
) -> PoseAccuracy:
    """Estimate the errors of poses from a sample of the images.

    Args:
        consensus: Images at their poses, and the half maps they are compared with.
        half_set: `(particle,)` 1 or 2.
        n_shells: Shells compared.
        kernels: Slice kernels of the device.
    """
    images, sample = consensus.images, _sample(len(consensus.images))
    models: list[tuple[PoseModel, Int[np.ndarray, " _"]]] = []
    halves = denoise_half_maps(consensus.map.halves, consensus.map.fsc)
    for half in (1, 2):
        rows = sample[half_set[sample] == half]
        if len(rows):
            # What an image shows is not in the other half set's map.
            reference = make_reference(halves[2 - half], images, n_shells)
            models.append((PoseModel(reference, consensus.noise, consensus.scale_prior), rows))
    return _measure(images, models, n_shells, kernels)


def measure_against(
    images: ParticleImages, model: PoseModel, kernels: SliceKernels
) -> PoseAccuracy:
    """Judge the poses of images by what a model that is none of their own leaves of them."""
    models = [(model, _sample(len(images)))]
    return _measure(images, models, model.reference.n_shells, kernels)


def _measure(
    images: ParticleImages,
    models: list[tuple[PoseModel, Int[np.ndarray, " _"]]],
    n_shells: int,
    kernels: SliceKernels,
) -> PoseAccuracy:
    """Estimate errors from shells that are coarse enough for errors of that size to be small."""
    extent = images.particles.box * images.particles.pixel_size_angstrom
    while True:
        found: list[Compared] = []
        for model, rows in models:
            coarse = replace(model, reference=replace(model.reference, n_shells=n_shells))
            found += _compare_parts(images, coarse, rows, kernels)
        accuracy = _estimate(found)
        # Where density is displaced by a wave's length over 2 pi, it is no longer proportional.
        wave_length = 2 * np.pi * accuracy.displacement_angstrom
        if n_shells <= FEWEST_SHELLS or n_shells * wave_length <= extent:
            return accuracy
        n_shells = max(int(extent / wave_length), FEWEST_SHELLS)


def _sample(n: int) -> Int[np.ndarray, " m"]:
    return np.unique(np.linspace(0, n - 1, min(n, MOST_PARTICLES)).astype(np.int64))


def _compare_parts(
    images: ParticleImages, model: PoseModel, which: Int[np.ndarray, " n"], kernels: SliceKernels
) -> Iterator[Compared]:
    """Compare two parts of some images, at the poses they have, chunk by chunk."""
    band = model.reference.band(images.particles.box)
    part_of_point = band.shells // SHELLS_TOGETHER % 2
    if not part_of_point.any():
        return
    for chunk in images.chunks(band, which):
        data = PoseData.of_chunk(chunk, band, images, model.noise)
        pose = np.asarray(images.particles.rotation[chunk.particles], np.float64)
        first, second = (
            compare(
                data.at(np.flatnonzero(part_of_point == part)),
                model,
                pose,
                data.centre_angstrom,
                kernels,
            )
            for part in (0, 1)
        )
        yield first, second


def _estimate(found: list[Compared]) -> PoseAccuracy:
    if not found:
        return NOTHING_TOLD
    first, second = (
        (
            np.concatenate([one.gradient for one in part]),
            np.concatenate([one.information for one in part]),
        )
        for part in zip(*found, strict=True)
    )
    return estimate_accuracy(first, second)


def estimate_accuracy(first: Derivatives, second: Derivatives) -> PoseAccuracy:
    """Estimate the spread of pose errors from the moments of two parts' gradients.

    Args:
        first: Of one part of every image's coefficients, at the poses given; of particles that
            say nothing, zero.
        second: Of another part.
    """
    says = (np.trace(first[1], axis1=1, axis2=2) > 0) & (np.trace(second[1], axis1=1, axis2=2) > 0)
    if says.sum() < 2:
        return NOTHING_TOLD
    unit = np.array([FIRST_ANGLE_RADIANS] * 3 + [FIRST_SHIFT_ANGSTROM] * 2)
    # Parameters in units that make the matrices well conditioned.
    parts = [(g[says] * unit, f[says] * unit * unit[:, None]) for g, f in (first, second)]
    expected = np.ones(2)
    for _ in range(N_STEPS):
        products, weights = _moments(parts, np.maximum(expected, LEAST_VARIANCE))
        variance = _solve(products.sum(axis=0), weights.sum(axis=0))
        # Only how much particles count depends on what is expected.
        expected = (expected + np.maximum(variance, LEAST_VARIANCE)) / 2
    error = _jackknife(products, weights)
    diagonal = np.einsum("naa->na", parts[0][1] + parts[1][1]).mean(axis=0)
    told = np.array([diagonal[ROTATIONS].sum(), diagonal[SHIFTS].sum()])
    likely = np.maximum(variance, 0)
    angle, shift = np.sqrt(likely) * (FIRST_ANGLE_RADIANS, FIRST_SHIFT_ANGSTROM)
    most = np.sqrt(likely + SURE * error) * (FIRST_ANGLE_RADIANS, FIRST_SHIFT_ANGSTROM)
    return PoseAccuracy(
        angle_sd_degrees=float(np.degrees(angle)),
        shift_sd_angstrom=float(shift),
        excess=float(told @ likely),
        sure_excess=float(told @ np.maximum(variance - SURE * error, 0)),
        most_angle_degrees=float(np.degrees(most[0])),
        most_shift_angstrom=float(most[1]),
        displacement_angstrom=float(np.sqrt(_displacement(likely, told)) * FIRST_SHIFT_ANGSTROM),
    )


def _displacement(
    variance: Float64[np.ndarray, " kind"], told: Float64[np.ndarray, " kind"]
) -> float:
    """Return the variance of a shift that would be as bad: rotations displace by their lever."""
    turns, moves = told / [3, 2]
    return float(variance[1] + variance[0] * turns / max(moves, np.finfo(np.float64).tiny))


def _moments(
    parts: list[Derivatives], variance: Float64[np.ndarray, " kind"]
) -> tuple[Float64[np.ndarray, "n kind"], Float64[np.ndarray, "n kind kind"]]:
    """Return products of both parts' pose estimates, and by what the errors' variances enter them.

    The estimates are those of greatest posterior density, so that no particle counts more than it
    tells.
    """
    precision = np.diag(1 / np.repeat(variance, [3, 2]))
    gains = [np.linalg.inv(information + precision) for _, information in parts]
    first, second = (
        np.einsum("nab,nb->na", gain, gradient)
        for gain, (gradient, _) in zip(gains, parts, strict=True)
    )
    shrunk, other = (
        gain @ information for gain, (_, information) in zip(gains, parts, strict=True)
    )
    kinds = (ROTATIONS, SHIFTS)
    products, squares = first * second, shrunk * other
    summed = np.stack([products[:, kind].sum(axis=1) for kind in kinds], axis=1)
    weights = [[squares[:, a, b].sum(axis=(1, 2)) for b in kinds] for a in kinds]
    return summed, np.moveaxis(np.array(weights), 2, 0)


def _solve(
    products: Float64[np.ndarray, " kind"], weights: Float64[np.ndarray, "kind kind"]
) -> Float64[np.ndarray, " kind"]:
    """Return the variances under which the products are expected; of what tells nothing, none."""
    return np.asarray(np.linalg.pinv(weights, rcond=1e-9) @ products)


def _jackknife(
    products: Float64[np.ndarray, "n kind"], weights: Float64[np.ndarray, "n kind kind"]
) -> Float64[np.ndarray, " kind"]:
    """Return standard errors of the variances, from leaving out blocks of particles in turn."""
    n_blocks = min(N_BLOCKS, len(products))
    blocks = np.array_split(np.arange(len(products)), n_blocks)
    left = np.array(
        [
            _solve(
                products.sum(axis=0) - products[block].sum(axis=0),
                weights.sum(axis=0) - weights[block].sum(axis=0),
            )
            for block in blocks
        ]
    )
    return np.asarray(np.sqrt((n_blocks - 1) * left.var(axis=0)))
