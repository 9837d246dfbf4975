"""What the best classifiers say of the images, each knowing something else.

1. All states known: every map, the motion, pose, CTF, intensity and noise of each particle.
   Posteriors over the states; those of any region follow by adding.
2. What is outside known: the same, but only what the focus region itself adds to the image may
   tell, not what usually comes with it. Posteriors over its classes: absent, present.
3. Our model, told the truth: outside the focus sphere every particle shows the average of all;
   inside, the average of its class. The noise is what such residuals have, fitted as the program
   does. What it lacks beside the second is lost to the model, not to the search.

The last two compare the residual E from a background with deviations D_k in the sphere:

    L_k = Re <s C E / sigma2, P D_k> - 1/2 <P D_k, (s C)^2 / sigma2 P D_k>
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64
from scipy.special import logsumexp

from cryofocus.consensus.band import Band
from cryofocus.consensus.noise.power import sum_powers
from cryofocus.consensus.noise.spectra import NoiseModel, fit_noise
from cryofocus.maths.fourier import forward_2d, hermitian_weights
from cryofocus.maths.masks import sphere_mask
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import SAMPLE, Imaging
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.states import (
    Region,
    all_states,
    mean_amplitudes,
    part_amplitudes,
    share_present,
)
from cryofocus.simulate.image_formation import Camera, chunks
from cryofocus.simulate.model_states import StateProjector
from cryofocus.simulate.oracle import part_statistics, state_log_likelihood
from cryofocus.simulate.phantom import Sphere

# Of the focus sphere, as `classify` draws it.
SOFT_EDGE_ANGSTROM = 8.0


@dataclass(frozen=True)
class Posteriors:
    """What the oracles say of some particles.

    Attributes:
        states: All states known.
        focused: What is outside known.
        model: Our model, told the truth.
    """

    states: Float32[np.ndarray, "n states"]
    focused: Float32[np.ndarray, "n 2"]
    model: Float32[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Oracles:
    """The three classifiers of one set.

    Attributes:
        imaging: What the images are made from.
        region: In focus.
        slices: Projects the average of all; how it is deviated from without and with the region,
            in the sphere; the region in the sphere.
        noise: Of the residuals from the average.
    """

    imaging: Imaging
    region: Region
    slices: StateProjector
    noise: NoiseModel

    @classmethod
    def of(cls, densities: Densities, region: Region, sphere: Sphere) -> Oracles:
        """Tell the oracles the truth of a set and what is in focus."""
        slices = _focus_slices(densities, region, sphere)
        return cls(densities.imaging, region, slices, _residual_noise(densities.imaging, slices))

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
        slices = self.slices.project(self.imaging.specimens, rows)
        return Posteriors(
            self._judge_states(images, parts, rows, seen.ctf),
            self._judge_inside(seen, parts, slices[:, 3], rows),
            self._judge_model(seen, slices[:, :3]),
        )

    def _judge_states(
        self,
        images: Float32[np.ndarray, "n box box"],
        parts: Complex64[np.ndarray, "n parts box half"],
        rows: slice,
        ctf: Float32[np.ndarray, "n box half"],
    ) -> Float32[np.ndarray, "n states"]:
        states, shares = all_states()
        intensity = self.imaging.specimens.intensity[rows].astype(np.float32)
        statistics = part_statistics(
            images, parts * intensity[:, None, None, None], ctf, self.imaging.noise_variance(ctf)
        )
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
        self, seen: _Seen, slices: Complex64[np.ndarray, "n 3 box half"]
    ) -> Float32[np.ndarray, "n 2"]:
        band = _band(self.imaging.camera)
        precision = band.scatter(self.noise.precision(band, seen.groups, band.pick(seen.ctf)))
        likelihood = seen.compare(slices[:, 0], slices[:, 1:], precision)
        return _posteriors(likelihood, self._shares)

    @property
    def _shares(self) -> Float64[np.ndarray, " 2"]:
        present = share_present(self.region)
        return np.array([1 - present, present])


def _focus_slices(densities: Densities, region: Region, sphere: Sphere) -> StateProjector:
    """Bring what differs inside the sphere into place to be projected."""
    camera, average = densities.imaging.camera, densities.average
    sampling = camera.box, camera.pixel_size_angstrom
    mask = sphere_mask(
        *sampling, sphere.centre_angstrom, sphere.radius_angstrom, SOFT_EDGE_ANGSTROM
    )
    every, *classes = mean_amplitudes(region)
    alone = np.array([float(part in region.parts) for part in PARTS])
    inside = [
        mask * densities.combine(part, average) for part in (*(c - every for c in classes), alone)
    ]
    maps = np.stack([densities.combine(every, average), *inside])
    return StateProjector.of(maps, camera.pixel_size_angstrom)


def _residual_noise(imaging: Imaging, slices: StateProjector) -> NoiseModel:
    """Fit the noise of the residuals from the average, as the program does."""
    band, sums = _band(imaging.camera), []
    for rows in chunks(min(SAMPLE, len(imaging.specimens)), imaging.camera.box):
        images = imaging.form(imaging.shown(imaging.project(rows), rows), rows)
        seen = _Seen.of(imaging, images, rows)
        residual = band.pick(seen.residual(slices.project(imaging.specimens, rows)[:, 0]))
        power = residual.real**2 + residual.imag**2
        sums.append(sum_powers(band, seen.groups, band.pick(seen.ctf), (power, power), 1))
    return fit_noise(reduce(operator.add, sums))


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

    @property
    def groups(self) -> np.ndarray:
        """All particles are of one optics group."""
        return np.zeros(len(self.data), np.int32)

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
