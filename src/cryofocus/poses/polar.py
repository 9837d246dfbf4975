"""Images and slices on rings of their Fourier planes, where turning in the plane is shifting.

A ring at k cycles per box is sampled at evenly spaced angles over the half circle x >= 0; the
other half holds the complex conjugates. Along a ring a function is a sum of angular harmonics
`F_m`, and an object of radius r has none beyond `2 pi k r / extent` (the Bessel functions of its
points vanish there), so that few numbers say all. With D turned against P by the angle a,

    Re<D, P(a)> = Re sum_k w_k / n_angles sum_m D_m(k) conj(P_m(k)) exp(i m a),

one matrix product over the rings for every m, and one Fourier transform for all angles a
(docs/derivations/pose-search.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64

from cryofocus.maths.fourier import next_fast_len

# Beyond the argument of a Bessel function this many orders hold next to nothing.
SPARE_HARMONICS = 2


@dataclass(frozen=True, eq=False)
class PolarGrid:
    """Rings of the Fourier plane and what is seen on them.

    Attributes:
        rings: `(ring,)` radii in cycles per box: 1, 2, ... to the resolution.
        angle: `(half_angle,)` azimuths in radians, from -90 degrees to below 90.
        n_harmonics: Orders 0 to n_harmonics - 1 hold all that the particle can show.
        n_turns: Even number of angles at which the in-plane turn is tried.
        box: Edge of the images that are sampled, just large enough for the rings.
        inside: `(box, box)` pixels that the shifted particle can reach.
    """

    rings: Float32[np.ndarray, " ring"]
    angle: Float64[np.ndarray, " half_angle"]
    n_harmonics: int
    n_turns: int
    box: int
    inside: Bool[np.ndarray, "box box"]

    @classmethod
    def around(
        cls,
        n_rings: int,
        particle_radius: float,
        reach: float,
        step_degrees: float,
    ) -> PolarGrid:
        """Lay rings out for a particle.

        Args:
            n_rings: The last ring's radius in cycles per box.
            particle_radius: In units of the box's edge.
            reach: Farthest that any part of a shifted particle lies from the centre, likewise.
            step_degrees: Largest step of the in-plane turn.
        """
        n_harmonics = int(np.ceil(2 * np.pi * n_rings * particle_radius)) + SPARE_HARMONICS
        # What the image holds out to its reach must not fold back onto the particle's orders.
        seen = int(np.ceil(2 * np.pi * n_rings * reach)) + SPARE_HARMONICS
        n_angles = next_fast_len(n_harmonics + seen)
        box = next_fast_len(2 * n_rings + 2)
        axis = (np.arange(box) - box // 2) / box
        return cls(
            rings=np.arange(1, n_rings + 1, dtype=np.float32),
            angle=2 * np.pi * np.arange(n_angles // 2) / n_angles - np.pi / 2,
            n_harmonics=n_harmonics,
            n_turns=next_fast_len(max(2 * n_harmonics, int(np.ceil(360 / step_degrees)))),
            box=box,
            inside=np.hypot(axis[:, None], axis) <= reach,
        )

    @property
    def n_angles(self) -> int:
        """Angles over the whole circle."""
        return 2 * len(self.angle)

    @property
    def turn_degrees(self) -> Float64[np.ndarray, " n_turns"]:
        """In-plane turns that are tried."""
        return np.asarray(360 * np.arange(self.n_turns) / self.n_turns)

    @property
    def points(self) -> Float32[np.ndarray, "point 2"]:
        """Places kx >= 0, ky of all samples in cycles per box, ring by ring."""
        # The cosine of -90 degrees is not quite zero.
        direction = np.stack([np.maximum(np.cos(self.angle), 0), np.sin(self.angle)], axis=1)
        places = self.rings[:, None, None] * direction
        return np.asarray(places.reshape(-1, 2), np.float32)

    @property
    def weight(self) -> Float32[np.ndarray, " ring"]:
        """Share of the plane, in coefficients of the image's transform, of a ring's sample."""
        return np.asarray(2 * np.pi * self.rings / self.n_angles, np.float32)

    @cached_property
    def sampling_matrix(self) -> Float32[np.ndarray, "pixel two_points"]:
        """Return what makes samples, real parts then imaginary ones, of pixels `inside`."""
        axis = (np.arange(self.box) - self.box // 2) / self.box
        y, x = (np.broadcast_to(a, self.inside.shape)[self.inside] for a in (axis[:, None], axis))
        points = self.points.astype(np.float64)
        phase = 2 * np.pi * (np.outer(x, points[:, 0]) + np.outer(y, points[:, 1]))
        return np.concatenate([np.cos(phase), -np.sin(phase)], axis=1).astype(np.float32)

    def harmonics(
        self, samples: Complex64[np.ndarray, "*batch ring half_angle"]
    ) -> Complex64[np.ndarray, "*batch ring harmonic"]:
        """Return the orders 0 to n_harmonics - 1 of functions on the rings."""
        parts = np.concatenate([samples.real, samples.imag], axis=-1)
        sums = parts.reshape(-1, parts.shape[-1]) @ self._harmonic_matrix
        sums = sums.reshape(*samples.shape[:-1], 2 * self.n_harmonics)
        real, imaginary = np.split(sums, 2, axis=-1)
        return np.asarray(real + np.complex64(1j) * imaginary)

    @cached_property
    def _harmonic_matrix(self) -> Float32[np.ndarray, "n_angles two_harmonics"]:
        """Return what makes orders of samples, both as real parts, then imaginary ones.

        The other half circle holds conjugates, so that even orders are twice the half circle's
        sum over the real part and odd ones over the imaginary part.
        """
        order = np.arange(self.n_harmonics)
        wave = 2 * np.exp(-1j * np.outer(self.angle, order))
        is_even = order % 2 == 0
        both = np.concatenate([np.where(is_even, wave, 0), np.where(is_even, 0, 1j * wave)])
        return np.concatenate([both.real, both.imag], axis=1).astype(np.float32)
