"""Factors as fields of density, and the ones that images say most likely.

Field f is `F_f = w_f B(t e_f xi_f)`: white coefficients xi coloured by a common spectrum t^2 and a
strength of their own e_f, transformed to the small box by B and multiplied by the support w_f.
Whatever the view, a particle's coordinates have the same second moments S over the particles, so
the sums that a maximisation needs are `S_fg K` with one kernel K, that of all images together:

    xi + A^T (S (x) K) A xi = A^T (sum_i x_if Z_i - S_f0 K V)_f,    A = w B t e

with V the consensus, whose coordinate (index 0) is the grey scale (docs/derivations/factors.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Complex64, Float32, Float64

from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics
from cryofocus.kernels.contract import SliceSums
from cryofocus.maths.conjugate_gradients import LinearSystem, solve_by_conjugate_gradients
from cryofocus.maths.fourier import forward_3d
from cryofocus.placement import fetch

Coefficients = Complex64[np.ndarray, "field e e h"]
Fields = Float32[np.ndarray, "field d d d"]
Operator = Callable[[Coefficients], Coefficients]

TOLERANCE = 1e-2


class FieldSpace:
    """The fields of one whole-particle model; all operations are linear and pure.

    Args:
        space: Space of deviations of the same small box.
        spectrum: `(n_shells,)` power that all fields share but for their strength.
        supports: `(field, d, d, d)` where each field may be.
        statistics: Of all particles; their common kernel is summed here, once.
        consensus: `(d, d, d)` what the grey scale multiplies.
    """

    def __init__(
        self,
        space: DeviationSpace,
        spectrum: Float64[np.ndarray, " n_shells"],
        supports: Fields,
        statistics: ShardedStatistics,
        consensus: Float32[np.ndarray, "d d d"],
    ) -> None:
        self.space = space
        self.supports = supports
        self.consensus = consensus
        self._statistics = statistics
        self._root_spectrum = space.lay_out(np.sqrt(spectrum))
        ones = np.ones((len(statistics), 1), np.float32)
        total = statistics.sum_slices(0 * ones, ones).fetch()
        edge = space.box.edge
        self._kernel = np.maximum(total.precision[..., 0], 0) * np.float32(edge**3)
        spread = space.to_box(self._kernel * space.from_box(consensus[None]))
        self._scaled_consensus = np.asarray(spread[0], np.float32)
        self._mean_squares = (supports.astype(np.float64) ** 2).sum(axis=(1, 2, 3)) / edge**3

    def fields(self, xi: Coefficients, strength: Float64[np.ndarray, " field"]) -> Fields:
        """Return the fields that white coefficients stand for."""
        return np.asarray(self.supports * self.space.to_box(xi * self._colour(strength)))

    def maximise(
        self,
        coordinates: Float64[np.ndarray, "particle field"],
        second_moment: Float64[np.ndarray, "coordinate coordinate"],
        strength: Float64[np.ndarray, " field"],
        *,
        start: Coefficients | None,
        max_steps: int,
    ) -> Coefficients:
        """Return the most probable coefficients under given coordinates; fewer steps go part way.

        Args:
            coordinates: Posterior means, without the grey scale.
            second_moment: Mean of x x^T over the particles, the grey scale first.
            strength: Of the fields.
            start: Coefficients to start from.
            max_steps: Of conjugate gradients.
        """
        colour, moments = self._colour(strength), second_moment[1:, 1:]
        ones = np.ones((len(coordinates), 1), np.float32)
        sums: SliceSums = self._statistics.sum_slices(coordinates, ones).fetch()
        pull = np.asarray(fetch(self.space.back_project(sums)))
        pull = pull - _scaled(second_moment[1:, 0]) * self._scaled_consensus
        rhs = self._adjoint(pull, colour)
        apply = self._information(moments, colour)
        system = LinearSystem(
            lambda x: x + apply(x),
            rhs,
            1 / (1 + self._diagonal(moments, colour)),
            self.space.dot,
        )
        found = solve_by_conjugate_gradients(
            system, start=start, tolerance=TOLERANCE, max_steps=max_steps
        )
        return np.asarray(found.coefficients, np.complex64)

    def degrees_of_freedom(
        self,
        second_moment: Float64[np.ndarray, "coordinate coordinate"],
        strength: Float64[np.ndarray, " field"],
        generator: np.random.Generator,
        *,
        max_steps: int,
    ) -> Float64[np.ndarray, " field"]:
        """Estimate how many coefficients of each field the images determine.

        The trace of `M (1 + M)^-1` with M the information on the field alone, by a random probe
        (Hutchinson 1990): a support that fills a part of the box makes M far from diagonal.
        """
        colour = self._colour(strength)
        apply = self._information(np.diag(np.diag(second_moment)[1:]), colour)
        probe = self._white(len(strength), generator)
        preconditioner = 1 / (1 + self._diagonal(np.diag(np.diag(second_moment)[1:]), colour))
        system = LinearSystem(lambda x: x + apply(x), apply(probe), preconditioner, self.space.dot)
        found = solve_by_conjugate_gradients(system, tolerance=TOLERANCE, max_steps=max_steps)
        return self._dots(probe, found.coefficients)

    def draw(
        self,
        second_moment: Float64[np.ndarray, "coordinate coordinate"],
        strength: Float64[np.ndarray, " field"],
        generator: np.random.Generator,
        *,
        max_steps: int,
    ) -> Coefficients:
        """Draw how far the coefficients may be from the most probable ones, at random.

        Perturbed right-hand sides give draws of the posterior (Papandreou & Yuille 2010).
        """
        colour, moments = self._colour(strength), second_moment[1:, 1:]
        root = np.linalg.cholesky(moments).astype(np.float32)
        noise = np.tensordot(root, self._white(len(strength), generator), axes=1)
        seen = self.space.to_box((np.sqrt(self._kernel) * noise).astype(np.complex64))
        rhs = self._white(len(strength), generator) + self._adjoint(seen, colour)
        apply = self._information(moments, colour)
        preconditioner = 1 / (1 + self._diagonal(moments, colour))
        system = LinearSystem(lambda x: x + apply(x), rhs, preconditioner, self.space.dot)
        found = solve_by_conjugate_gradients(system, tolerance=TOLERANCE, max_steps=max_steps)
        return np.asarray(found.coefficients, np.complex64)

    def power(self, xi: Coefficients) -> Float64[np.ndarray, " field"]:
        """Return |xi|^2 of every field over the full grid."""
        return self._dots(xi, xi)

    def _information(self, moments: Float64[np.ndarray, "f f"], colour: np.ndarray) -> Operator:
        """Return what applies the information of all images on the coefficients."""
        mixing = moments.astype(np.float32)

        def apply(xi: Coefficients) -> Coefficients:
            fields = self.supports * self.space.to_box(xi * colour)
            mixed = np.tensordot(mixing, fields, axes=1)
            seen = self.space.to_box(self._kernel * self.space.from_box(mixed))
            return self._adjoint(seen, colour)

        return apply

    def _adjoint(self, volumes: np.ndarray, colour: np.ndarray) -> Coefficients:
        inside = (self.supports * volumes).astype(np.float32)
        return np.asarray(colour * self.space.from_box(inside))

    def _diagonal(self, moments: Float64[np.ndarray, "f f"], colour: np.ndarray) -> np.ndarray:
        """Return the information as if each support were its mean square everywhere."""
        own = _scaled(np.diag(moments) * self._mean_squares)
        return np.asarray(colour**2 * own * self._kernel)

    def _colour(self, strength: Float64[np.ndarray, " field"]) -> np.ndarray:
        return np.asarray(_scaled(strength) * self._root_spectrum)

    def _white(self, n_fields: int, generator: np.random.Generator) -> Coefficients:
        """Return transforms of independent signs: white, of unit power."""
        edge = self.space.box.edge
        signs = generator.integers(2, size=(n_fields, edge, edge, edge), dtype=np.int8)
        white = [forward_3d((2 * one - 1).astype(np.float32)) for one in signs]
        return (np.stack(white) / np.float32(edge**1.5)).astype(np.complex64)

    def _dots(self, a: Coefficients, b: Coefficients) -> Float64[np.ndarray, " field"]:
        pairs = zip(a, b, strict=True)
        return np.array([self.space.dot(one[None], other[None]) for one, other in pairs])


def _scaled(factors: Float64[np.ndarray, " field"]) -> Float32[np.ndarray, "field 1 1 1"]:
    """Lay factors out beside volumes, one per field."""
    return factors.astype(np.float32)[:, None, None, None]
