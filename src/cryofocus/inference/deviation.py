"""Deviations from the consensus inside the focus mask, and the maps that maximise.

Classes are combinations of fields, `Delta_k = sum_f H_kf D_f`, and each field is
`D_f = w B(t xi_f)`: white coefficients xi, coloured by the prior's spectrum (t = sqrt(tau2)),
transformed to the small box by B and multiplied by the support w, which is zero outside the
focus mask. With xi white the prior costs |xi|^2 / 2, and the maximisation,
`(1 + A^T K A) xi = A^T b` with `A = H w B t`, K the summed kernels and b the summed residuals, is
as well conditioned as the data allow: a few conjugate-gradient steps solve it
(docs/derivations/maximisation.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32, Float64

from cryofocus.inference.focus import FocusBox
from cryofocus.inference.reconstruct import gridding_kernel
from cryofocus.kernels.contract import SliceSums
from cryofocus.maths.fourier import forward_3d, hermitian_weights, inverse_3d
from cryofocus.maths.grids import fit_box_3d, shell_index_3d

Coefficients = Complex64[np.ndarray, "field edge edge half"]
Deviations = Float32[np.ndarray, "component d d d"]
Mixing = Float64[np.ndarray, "component field"]


@dataclass(frozen=True, eq=False)
class DeviationPrior:
    """What is held to be likely of deviations before an image is looked at.

    Attributes
    ----------
    spectrum : `(n_shells,)` power tau2 of every field in each shell of the padded small box.
    support : `(d, d, d)` where deviations may be and how large; zero outside the focus mask.
    mixing : `(component, field)` H: how fields combine into classes.
    """

    spectrum: Float64[np.ndarray, " n_shells"]
    support: Float32[np.ndarray, "d d d"]
    mixing: Mixing


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients that solve the maximisation, and the steps it took."""

    coefficients: Coefficients
    n_steps: int


class DeviationSpace:
    """The space of deviations of one small box; all its operations are linear and pure.

    Parameters
    ----------
    box : the small box.
    n_shells : shells of the padded small box on which the prior may have power.
    workers : threads of the Fourier transforms.
    """

    def __init__(self, box: FocusBox, n_shells: int, workers: int = 1) -> None:
        self.box = box
        self.n_shells = n_shells
        self._workers = workers
        self._shells = np.minimum(shell_index_3d(box.edge), n_shells)
        weights = np.broadcast_to(hermitian_weights(box.edge), self._shells.shape)
        self._hermitian = np.ascontiguousarray(weights)
        self._kernel = gridding_kernel(box.diameter, box.edge)
        self._unit = np.float32(box.edge**1.5)
        self.shell_counts = self._sum_shells(np.ones(self._shells.shape, np.float32))

    def expand(self, coefficients: Coefficients, prior: DeviationPrior) -> Deviations:
        """Return the classes' deviations that white coefficients stand for."""
        return _combine(prior.mixing, self.fields(coefficients, prior))

    def fields(self, coefficients: Coefficients, prior: DeviationPrior) -> Deviations:
        """Return the fields that white coefficients stand for."""
        return np.asarray(prior.support * self._to_box(coefficients * self._colour(prior)))

    def to_grid(self, deviations: Deviations) -> Complex64[np.ndarray, "edge edge half component"]:
        """Return the grid whose slices are the deviations' projections."""
        grid = self._from_box(deviations / self._kernel) * self._unit
        return np.ascontiguousarray(np.moveaxis(grid, 0, -1))

    def solve(
        self,
        sums: SliceSums,
        prior: DeviationPrior,
        *,
        start: Coefficients | None = None,
        tolerance: float = 1e-2,
        max_steps: int = 40,
    ) -> Solution:
        """Maximise over the fields' coefficients by preconditioned conjugate gradients.

        Parameters
        ----------
        sums : summed residuals and kernels, one component for each row of the mixing.
        prior : spectrum, support and mixing.
        start : coefficients to start from.
        tolerance : of the residual relative to the right-hand side, both preconditioned.
        max_steps : bound on the steps.
        """
        colour = self._colour(prior)
        kernels = self._field_kernels(sums, prior)
        rhs = colour * self._from_box(prior.support * _combine(prior.mixing.T, self._back(sums)))
        preconditioner = 1 / (1 + colour**2 * self._diagonal(kernels, prior))

        def operate(x: Coefficients) -> Coefficients:
            transforms = self._from_box(self.fields(x, prior))
            inside = self._to_box(np.einsum("fgzyx,gzyx->fzyx", kernels, transforms))
            return np.asarray(x + colour * self._from_box(prior.support * inside))

        x = np.zeros_like(rhs) if start is None else start.copy()
        residual = rhs - operate(x) if start is not None else rhs.copy()
        scaled = preconditioner * residual
        direction = scaled.copy()
        power = self._dot(residual, scaled)
        limit = tolerance**2 * self._dot(rhs, preconditioner * rhs)
        for step in range(max_steps):
            if power <= limit:
                return Solution(x, step)
            image = operate(direction)
            length = np.float32(power / self._dot(direction, image))
            x += length * direction
            residual -= length * image
            scaled = preconditioner * residual
            new_power = self._dot(residual, scaled)
            direction = scaled + np.float32(new_power / power) * direction
            power = new_power
        return Solution(x, max_steps)

    def shell_power(self, coefficients: Coefficients) -> Float64[np.ndarray, " n_shells"]:
        """Mean |xi|^2 in each shell, averaged over fields; 1 where the prior holds."""
        power = (coefficients.real**2 + coefficients.imag**2).mean(axis=0)
        return np.asarray(self._sum_shells(power) / self.shell_counts)

    def shell_variance(
        self, sums: SliceSums, prior: DeviationPrior
    ) -> Float64[np.ndarray, " n_shells"]:
        """Approximate posterior variance of xi in each shell, averaged over fields.

        The support is taken as its mean square, which makes the posterior diagonal in Fourier
        space; exact for a support that fills the padded box.
        """
        kernels = self._diagonal(self._field_kernels(sums, prior), prior)
        variance = (1 / (1 + self._colour(prior) ** 2 * kernels)).mean(axis=0)
        return np.asarray(self._sum_shells(variance) / self.shell_counts)

    def power_inside(
        self, volume: Float32[np.ndarray, "d d d"]
    ) -> Float64[np.ndarray, " n_shells"]:
        """Spectrum of a volume inside the focus mask, per voxel of the mask."""
        mask = self.box.mask
        return self.shell_power(self._from_box((mask * volume)[None])) / self._mean_square(mask)

    def prior_cost(self, coefficients: Coefficients) -> float:
        """Return |xi|^2 / 2 over the full grid."""
        return 0.5 * self._dot(coefficients, coefficients)

    def _colour(self, prior: DeviationPrior) -> Float32[np.ndarray, "e e h"]:
        """Lay sqrt(tau2) out on the padded grid; zero beyond the last shell."""
        curve = np.append(np.sqrt(prior.spectrum), 0.0).astype(np.float32)
        return np.asarray(curve[self._shells])

    def _field_kernels(
        self, sums: SliceSums, prior: DeviationPrior
    ) -> Float32[np.ndarray, "field field edge edge half"]:
        """Kernels between pairs of fields: H^T K H at every grid point, for unitary transforms."""
        mixing = prior.mixing.astype(np.float32)
        pairs = np.einsum("kf,kg,zyxk->fgzyx", mixing, mixing, sums.precision, optimize=True)
        return np.asarray(pairs * np.float32(self.box.edge**3), np.float32)

    def _diagonal(
        self, kernels: Float32[np.ndarray, "field field e e h"], prior: DeviationPrior
    ) -> Float32[np.ndarray, "field e e h"]:
        """Each field's own kernel, as if the support were its mean square everywhere."""
        own = np.maximum(np.einsum("ffzyx->fzyx", kernels), 0)
        return np.asarray(own * np.float32(self._mean_square(prior.support)), np.float32)

    def _mean_square(self, support: Float32[np.ndarray, "d d d"]) -> float:
        return float((support.astype(np.float64) ** 2).sum() / self.box.edge**3)

    def _to_box(self, half: Coefficients) -> Deviations:
        whole = inverse_3d(half, self.box.edge, workers=self._workers)
        return fit_box_3d(whole, self.box.diameter) * self._unit

    def _from_box(self, volumes: Deviations) -> Coefficients:
        padded = fit_box_3d(np.asarray(volumes, np.float32), self.box.edge)
        return forward_3d(padded, workers=self._workers) / self._unit

    def _back(self, sums: SliceSums) -> Deviations:
        """Adjoint of `to_grid` applied to the summed residuals."""
        return self._to_box(np.moveaxis(sums.data, -1, 0)) * (self._unit / self._kernel)

    def _dot(self, a: Coefficients, b: Coefficients) -> float:
        product = self._hermitian * (a.real * b.real + a.imag * b.imag)
        return float(product.sum(dtype=np.float64))

    def _sum_shells(
        self, values: Float32[np.ndarray, "e e h"]
    ) -> Float64[np.ndarray, " n_shells"]:
        weights = (self._hermitian * values).ravel().astype(np.float64)
        sums = np.bincount(self._shells.ravel(), weights, minlength=self.n_shells + 1)
        return sums[: self.n_shells]


def _combine(mixing: Mixing, volumes: Deviations) -> Deviations:
    """Return the combinations of volumes that the rows of a matrix ask for."""
    return np.tensordot(mixing.astype(np.float32), volumes, axes=1)
