"""What the best classifiers say of the images, each knowing something else.

1. All states known: every map, the motion, pose, CTF, intensity and noise of each particle.
   Posteriors over the states; those of any region follow by adding.
2. What is outside known: the same, but only what the focus region itself adds to the image may
   tell, not what usually comes with it. Posteriors over its classes: absent, present.
3. Our model, told the truth: outside the focus sphere every particle shows the average of all;
   inside, the average of its class. The noise is what such residuals have, fitted as the program
   does. What it lacks beside the second is lost to the model, not to the search.
4. The same at the poses that particles.star gives, with intensities and noise as a run estimates
   them there: what a run can reach that finds the true maps.

The last three compare the residual E from a background with deviations D_k in the sphere:

    L_k = Re <s C E / sigma2, P D_k> - 1/2 <P D_k, (s C)^2 / sigma2 P D_k>
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64
from scipy.special import logsumexp

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import ScalePrior, estimate_scale_prior, fit_scales
from cryofocus.consensus.noise.power import sum_powers
from cryofocus.consensus.noise.spectra import NoiseModel, fit_noise
from cryofocus.maths.fourier import forward_2d, hermitian_weights
from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import SAMPLE, Imaging
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.slices import FocusSlices
from cryofocus.simulate.assembly.states import (
    Region,
    all_states,
    part_amplitudes,
    share_present,
)
from cryofocus.simulate.image_formation import Camera, Views, chunks
from cryofocus.simulate.oracle import part_statistics, state_log_likelihood
from cryofocus.simulate.phantom import Sphere


@dataclass(frozen=True)
class Posteriors:
    """What the oracles say of some particles.

    Attributes:
        states: All states known.
        focused: What is outside known.
        model: Our model, told the truth.
        given: Our model, told the true maps alone.
    """

    states: Float32[np.ndarray, "n states"]
    focused: Float32[np.ndarray, "n 2"]
    model: Float32[np.ndarray, "n 2"]
    given: Float32[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Oracles:
    """The four classifiers of one set.

    Attributes:
        imaging: What the images are made from.
        region: In focus.
        slices: The average of all, and what differs from it in the sphere.
        model: How our model sees the images, told the truth.
        given: How a run sees them.
    """

    imaging: Imaging
    region: Region
    slices: FocusSlices
    model: _Sight
    given: _Sight

    @classmethod
    def of(cls, densities: Densities, region: Region, sphere: Sphere) -> Oracles:
        """Tell the oracles the truth of a set and what is in focus."""
        imaging = densities.imaging
        slices, sample = FocusSlices.of(densities, region, sphere), _Seen.sample(imaging)
        true = _Sight.of(imaging, slices, imaging.specimens, sample)
        given = _Sight.of(imaging, slices, _given_views(imaging), sample, knows_intensity=False)
        return cls(imaging, region, slices, true, given)

    def judge(
        self,
        images: Float32[np.ndarray, "n box box"],
        parts: Complex64[np.ndarray, "n parts box half"],
        rows: slice,
    ) -> Posteriors:
        """Classify the images of some particles, before they are normalised.

        Args:
            images: As `Imaging.form` made them.
            parts: Projections of all parts, at the true poses.
            rows: Which particles they are.
        """
        seen = _Seen.of(self.imaging, images, rows)
        inside = self.slices.differ(self.imaging.specimens, rows)
        given = self.slices.differ(self.given.views, rows)
        return Posteriors(
            self._judge_states(images, parts, rows, seen.ctf),
            self._judge_inside(seen, parts, inside[:, 2], rows),
            self._judge_model(seen, inside[:, :2], self.model, rows),
            self._judge_model(seen, given[:, :2], self.given, rows),
        )

    def _judge_states(
        self,
        images: Float32[np.ndarray, "n box box"],
        parts: Complex64[np.ndarray, "n parts box half"],
        rows: slice,
        ctf: Float32[np.ndarray, "n box half"],
    ) -> Float32[np.ndarray, "n states"]:
        states, shares = all_states()
        intensity = self.imaging.specimens.intensity[rows, None]
        matched, gram = part_statistics(images, parts, ctf, self.imaging.noise_variance(ctf))
        statistics = matched * intensity, gram * intensity[..., None] ** 2
        return _posteriors(state_log_likelihood(*statistics, part_amplitudes(states)), shares)

    def _judge_inside(
        self,
        seen: _Seen,
        parts: Complex64[np.ndarray, "n parts box half"],
        inside: Complex64[np.ndarray, "n box half"],
        rows: slice,
    ) -> Float32[np.ndarray, "n 2"]:
        """Compare with and without the region's density in the sphere, all else as it is."""
        amounts = self.imaging.specimens.parts[rows]
        there = amounts[:, PARTS.index(self.region.parts[0])]
        background = np.einsum("np,npyx->nyx", amounts, parts) - there[:, None, None] * inside
        precision = 1 / self.imaging.noise_variance(seen.ctf)
        deviations = np.stack([np.zeros_like(inside), inside], axis=1)
        return _posteriors(seen.compare(background, deviations, precision), self._shares)

    def _judge_model(
        self,
        seen: _Seen,
        deviations: Complex64[np.ndarray, "n 2 box half"],
        sight: _Sight,
        rows: slice,
    ) -> Float32[np.ndarray, "n 2"]:
        precision = seen.precision(sight.noise, self.imaging.camera)
        average = self.slices.show(sight.views, rows)
        seen = sight.fit_intensity(seen, average, precision)
        likelihood = seen.compare(average, deviations, precision)
        return _posteriors(likelihood, self._shares)

    @property
    def _shares(self) -> Float64[np.ndarray, " 2"]:
        present = share_present(self.region)
        return np.array([1 - present, present])


@dataclass(frozen=True, eq=False)
class _Sight:
    """At which poses images are compared, and what is held of their noise and intensities.

    Attributes:
        views: Poses.
        noise: Of the residuals from the average at these poses.
        intensity_prior: Intensities are estimated under it; None where they are known.
    """

    views: Views
    noise: NoiseModel
    intensity_prior: ScalePrior | None

    @classmethod
    def of(
        cls,
        imaging: Imaging,
        slices: FocusSlices,
        views: Views,
        sample: list[tuple[slice, _Seen]],
        *,
        knows_intensity: bool = True,
    ) -> _Sight:
        """Fit the residuals of a sample of images from the average, as the program does."""
        band, compared, powers = _band(imaging.camera), [], []
        for rows, known in sample:
            seen = known if knows_intensity else known.of_unit_intensity()
            average = slices.show(views, rows)
            residual = band.pick(seen.residual(average))
            power = residual.real**2 + residual.imag**2
            powers.append(sum_powers(band, seen.groups, band.pick(seen.ctf), (power, power), 1))
            compared.append((seen, average))
        noise = fit_noise(reduce(operator.add, powers))
        if knows_intensity:
            return cls(views, noise, None)
        moments = [
            seen.intensity_moments(average, seen.precision(noise, imaging.camera))
            for seen, average in compared
        ]
        linear, quadratic = map(np.concatenate, zip(*moments, strict=True))
        return cls(views, noise, estimate_scale_prior(linear, quadratic))

    def fit_intensity(
        self,
        seen: _Seen,
        average: Complex64[np.ndarray, "n box half"],
        precision: Float32[np.ndarray, "n box half"],
    ) -> _Seen:
        """Return the images with intensities estimated by the average, unless they are known."""
        if self.intensity_prior is None:
            return seen
        moments = seen.of_unit_intensity().intensity_moments(average, precision)
        return replace(seen, intensity=fit_scales(*moments, self.intensity_prior))


def _given_views(imaging: Imaging) -> Views:
    """Return what particles.star tells: poses that are off, and CTFs."""
    told = imaging.specimens.told
    euler, shift = imaging.settings.acquisition().given_poses(told)
    return Views(euler, rotation_from_euler(euler), shift, told.ctf)


def _band(camera: Camera) -> Band:
    return Band.disc(camera.box, camera.box // 2)


@dataclass(frozen=True)
class _Seen:
    """Transforms of some images, the CTF their table tells and their intensity."""

    data: Complex64[np.ndarray, "n box half"]
    ctf: Float32[np.ndarray, "n box half"]
    intensity: Float32[np.ndarray, " n"]

    @classmethod
    def of(cls, imaging: Imaging, images: Float32[np.ndarray, "n box box"], rows: slice) -> _Seen:
        """Transform the images of some particles."""
        intensity = imaging.specimens.intensity[rows].astype(np.float32)
        return cls(forward_2d(images), imaging.told_ctf(rows), intensity)

    @classmethod
    def sample(cls, imaging: Imaging) -> list[tuple[slice, _Seen]]:
        """Form some images; return them with which particles they are."""
        return [
            (rows, cls.of(imaging, imaging.form(imaging.signal(rows), rows), rows))
            for rows in chunks(min(SAMPLE, len(imaging.specimens)), imaging.camera.box)
        ]

    @property
    def groups(self) -> np.ndarray:
        """All particles are of one optics group."""
        return np.zeros(len(self.data), np.int32)

    def of_unit_intensity(self) -> _Seen:
        """Return the same images, of whose intensity nothing is known."""
        return replace(self, intensity=np.ones_like(self.intensity))

    def precision(self, noise: NoiseModel, camera: Camera) -> Float32[np.ndarray, "n box half"]:
        """Return one over the variance of the noise, zero beyond the last shell."""
        band = _band(camera)
        return np.asarray(band.scatter(noise.precision(band, self.groups, band.pick(self.ctf))))

    def intensity_moments(
        self,
        average: Complex64[np.ndarray, "n box half"],
        precision: Float32[np.ndarray, "n box half"],
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Return the products of image and average, and of the average with itself."""
        weight, shown = precision * hermitian_weights(self.data.shape[1]), self.ctf * average
        product = self.data.real * shown.real + self.data.imag * shown.imag
        power = shown.real**2 + shown.imag**2
        linear, quadratic = (
            np.asarray((weight * one).sum(axis=(1, 2)), np.float64) for one in (product, power)
        )
        return linear, quadratic

    def residual(
        self, background: Complex64[np.ndarray, "n box half"]
    ) -> Complex64[np.ndarray, "n box half"]:
        """Subtract a background as the microscope shows it."""
        return np.asarray(self.data - self.intensity[:, None, None] * self.ctf * background)

    def compare(
        self,
        background: Complex64[np.ndarray, "n box half"],
        deviations: Complex64[np.ndarray, "n classes box half"],
        precision: Float32[np.ndarray, "n box half"],
    ) -> Float[np.ndarray, "n classes"]:
        """Return the log-likelihood of every class, up to a constant of the image."""
        residual = self.residual(background)
        weight = precision * hermitian_weights(self.data.shape[1])
        shown = (self.intensity[:, None, None] * self.ctf)[:, None] * deviations
        match = np.einsum("nyx,nkyx->nk", weight * residual.conj(), shown).real
        power = np.einsum("nyx,nkyx->nk", weight, shown.real**2 + shown.imag**2)
        return np.asarray(match - power / 2, np.float64)


def _posteriors(
    log_likelihood: Float[np.ndarray, "n classes"], shares: Float[np.ndarray, " classes"]
) -> Float32[np.ndarray, "n classes"]:
    joint = log_likelihood + np.log(shares)
    return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), np.float32)
