"""How well images agree with a map at their poses: log-likelihood, gradient, Fisher information.

With the image's data Y, the slice of the map P at the pose, the CTF C, the noise variance sigma2
and the particle's intensity s, the log-likelihood over an image of nothing but noise is

    L = s l - s^2 q / 2,    l = Re<C Y / sigma2, P>,    q = <P, C^2 / sigma2 P>,

sums over the whole plane. s has its best value for every pose, under a normal distribution of the
set's intensities; what this freedom costs is taken off the information on the pose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import ScalePrior, matched_chunk
from cryofocus.consensus.images import PADDING, ImageChunk, ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.kernels.contract import SliceGeometry, SliceKernels
from cryofocus.poses.reference import PoseReference


@dataclass(frozen=True, eq=False)
class PoseModel:
    """What images are compared with.

    Attributes:
        reference: Map and derivatives.
        noise: Noise spectra.
        scale_prior: Of the particles' intensities, relative to the map.
    """

    reference: PoseReference
    noise: NoiseModel
    scale_prior: ScalePrior


@dataclass(frozen=True, eq=False)
class PoseLikelihood:
    """Log-likelihood of some particles at their poses, with its first two derivatives.

    Attributes:
        log_likelihood: `(n,)` over an image of nothing but noise.
        objective: `(n,)` the same with the intensity's prior: what the best pose maximises.
        gradient: `(n, 5)` of the objective by the pose; parameters as in `Poses.covariance`.
        information: `(n, 5, 5)` Fisher information on the pose, the intensity being free.
    """

    log_likelihood: Float64[np.ndarray, " n"]
    objective: Float64[np.ndarray, " n"]
    gradient: Float64[np.ndarray, "n 5"]
    information: Float64[np.ndarray, "n 5 5"]

    def put(
        self, rows: Int[np.ndarray, " k"], other: PoseLikelihood, of_other: Bool[np.ndarray, " m"]
    ) -> None:
        """Replace some rows, in place, by some of another's."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)[of_other]


@dataclass(frozen=True, eq=False)
class PoseData:
    """Matched-filtered images of some particles, ready to be compared at any pose near theirs.

    Attributes:
        band: Points compared.
        data: `(n, point)` `C Y / sigma2`, Hermitian weights included, centred by
            `centre_angstrom`.
        precision: `(n, point)` `C^2 / sigma2`, Hermitian weights included.
        centre_angstrom: `(n, 2)` shift that the data have been moved by.
        magnification: `(n, 2, 2)` frequencies of the image to those of the specimen.
        pixel_size_angstrom: Of the images.
    """

    band: Band
    data: Complex64[np.ndarray, "n point"]
    precision: Float32[np.ndarray, "n point"]
    centre_angstrom: Float64[np.ndarray, "n 2"]
    magnification: Float64[np.ndarray, "n 2 2"]
    pixel_size_angstrom: float

    @classmethod
    def of_chunk(
        cls, chunk: ImageChunk, band: Band, images: ParticleImages, noise: NoiseModel
    ) -> PoseData:
        """Filter prepared images by their CTF and noise."""
        data, precision = matched_chunk(chunk, band, noise)
        data *= band.hermitian
        precision *= band.hermitian
        particles = images.particles
        matrices = np.array([g.microscope.magnification_matrix for g in particles.optics])
        shift = np.asarray(particles.shift_angstrom[chunk.particles], np.float64)
        return cls(
            band, data, precision, shift, matrices[chunk.groups], particles.pixel_size_angstrom
        )

    def at(self, points: Int[np.ndarray, " some"]) -> PoseData:
        """Return the data at some points of the band."""
        return replace(
            self,
            band=self.band.take(points),
            data=self.data[:, points],
            precision=self.precision[:, points],
        )

    def narrowed(self, n_shells: int) -> PoseData:
        """Return the data of the first few shells."""
        enters = self.band.shells < n_shells
        if enters.all():
            return self
        return replace(
            self,
            band=Band.disc(self.band.box, n_shells),
            data=self.data[:, enters],
            precision=self.precision[:, enters],
        )

    def take(self, rows: Int[np.ndarray, " m"]) -> PoseData:
        """Return the data of some of the particles."""
        return PoseData(
            self.band,
            self.data[rows],
            self.precision[rows],
            self.centre_angstrom[rows],
            self.magnification[rows],
            self.pixel_size_angstrom,
        )


def compare(
    data: PoseData,
    model: PoseModel,
    rotation: Float64[np.ndarray, "n 3 3"],
    shift_angstrom: Float64[np.ndarray, "n 2"],
    kernels: SliceKernels,
) -> PoseLikelihood:
    """Compare images with slices of the map at some poses.

    Args:
        data: The images.
        model: Map, noise and intensities.
        rotation: Rotations of the poses.
        shift_angstrom: Their shifts.
        kernels: Slice kernels of the device.
    """
    grid, padded = model.reference.grid, PADDING * data.band.box
    # A point of the padded grid turns by this much of an angle for every Å of shift.
    radians_per_angstrom = 2 * np.pi / (padded * data.pixel_size_angstrom)
    matrices = np.einsum("nji,njk->nik", data.magnification, rotation[:, :2])
    geometry = SliceGeometry(
        grid.shape[0], data.band.grid_points(PADDING), matrices.astype(np.float32)
    )
    step = (shift_angstrom - data.centre_angstrom) * radians_per_angstrom
    linear, quadratic = kernels.pose_moments(
        grid, geometry, step.astype(np.float32), data.data, data.precision
    )
    units = np.array([1, 1, 1, 1, radians_per_angstrom, radians_per_angstrom])
    linear *= units
    quadratic *= units[:, None] * units
    return _profile_scale(linear, quadratic, model.scale_prior)


def compare_at_poses(
    images: ParticleImages,
    model: PoseModel,
    which: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> Iterator[PoseLikelihood]:
    """Compare some particles at the poses they have, chunk by chunk."""
    band = model.reference.band(images.particles.box)
    for chunk in images.chunks(band, which):
        data = PoseData.of_chunk(chunk, band, images, model.noise)
        rotation = np.asarray(images.particles.rotation[chunk.particles], np.float64)
        yield compare(data, model, rotation, data.centre_angstrom, kernels)


def _profile_scale(
    linear: Float64[np.ndarray, "n 6"], quadratic: Float64[np.ndarray, "n 6 6"], prior: ScalePrior
) -> PoseLikelihood:
    """Give every particle its best intensity, and take what that costs off the information."""
    first, cross, second = linear[:, 0], quadratic[:, 0, 1:], quadratic[:, 0, 0]
    scale = np.full(len(linear), prior.mean)
    penalty, freedom = np.zeros(len(linear)), np.zeros(len(linear))
    if prior.variance > 0:
        # An image cannot show less than nothing of its particle.
        scale = np.maximum(
            (first + prior.mean / prior.variance) / (second + 1 / prior.variance), 0
        )
        penalty = 0.5 * (scale - prior.mean) ** 2 / prior.variance
        freedom = 1 / (second + 1 / prior.variance)
    likelihood = scale * first - 0.5 * scale**2 * second
    gradient = scale[:, None] * linear[:, 1:] - (scale**2)[:, None] * cross
    projected = cross[:, :, None] * cross[:, None, :] * freedom[:, None, None]
    information = (scale**2)[:, None, None] * (quadratic[:, 1:, 1:] - projected)
    return PoseLikelihood(likelihood, likelihood - penalty, gradient, information)
