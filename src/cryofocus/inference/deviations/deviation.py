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

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, Float64

from cryofocus.consensus.reconstruct import gridding_kernel
from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.kernels.contract import SliceSums
from cryofocus.maths.conjugate_gradients import (
    LinearSystem,
    Solution,
    solve_by_conjugate_gradients,
)
from cryofocus.maths.fourier import (
    forward_3d,
    forward_3d_padded,
    hermitian_weights,
    inverse_3d_cropped,
)
from cryofocus.maths.grids import shell_index_3d
from cryofocus.placement import Array, Send, fetch, namespace, stay

# What fills the padded small box lies where the kernels want it; what fills the small box is here.
Coefficients = Complex64[Array, "field edge edge half"]
Deviations = Float32[np.ndarray, "component d d d"]
Mixing = Float64[np.ndarray, "component field"]

# Random signs that measure variances: few, since a shell averages over many coefficients. They are
# solved in few steps, always as many, or so far that rounding, which grows on the way, is gone.
N_PROBES, ROUGH_STEPS, PROBE_STEPS, PROBE_TOLERANCE = 2, 8, 100, 1e-5


@dataclass(frozen=True, eq=False)
class DeviationPrior:
    """What is held to be likely of deviations before an image is looked at.

    Attributes:
        spectrum: `(n_shells,)` power tau2 of every field in each shell of the padded small box.
        support: `(d, d, d)` where deviations may be and how large; zero outside the focus mask.
        mixing: `(component, field)` H: how fields combine into classes.
    """

    spectrum: Float64[np.ndarray, " n_shells"]
    support: Float32[np.ndarray, "d d d"]
    mixing: Mixing


class DeviationSpace:
    """The space of deviations of one small box; all its operations are linear and pure.

    Args:
        box: The small box.
        n_shells: Shells of the padded small box on which the prior may have power.
        threads: Threads of the Fourier transforms.
        send: Brings arrays to where coefficients, sums and grids lie (`SliceKernels.send`).
    """

    def __init__(
        self,
        box: FocusBox,
        n_shells: int,
        threads: int = 1,
        send: Send = stay,
    ) -> None:
        self.box = box
        self.n_shells = n_shells
        self._threads = threads
        self._send = send
        self._shells = np.minimum(shell_index_3d(box.edge), n_shells)
        self._shell_of_point = send(self._shells.ravel())
        self._hermitian = send(hermitian_weights(box.edge))
        self._kernel = gridding_kernel(box.diameter, box.edge)
        self._unit = float(box.edge**1.5)
        self.shell_counts = self._sum_shells(np.ones(self._shells.shape, np.float32))

    def of_box(self, box: FocusBox, n_shells: int) -> DeviationSpace:
        """Return the space of another small box, worked on where this one is."""
        return DeviationSpace(box, n_shells, self._threads, self._send)

    def expand(self, coefficients: Coefficients, prior: DeviationPrior) -> Deviations:
        """Return the classes' deviations that white coefficients stand for."""
        mixing = prior.mixing.astype(np.float32)
        return np.asarray(_combine(mixing, self.fields(coefficients, prior)))

    def fields(self, coefficients: Coefficients, prior: DeviationPrior) -> Deviations:
        """Return the fields that white coefficients stand for."""
        coloured = self._send(coefficients) * self._colour(prior)
        return np.asarray(prior.support * fetch(self.to_box(coloured)))

    def to_grid(self, deviations: Deviations) -> Complex64[Array, "edge edge half component"]:
        """Return the grid whose slices are the deviations' projections."""
        volumes = self._send(deviations * (self._unit / self._kernel))
        grids = [self.from_box(volumes[k, ...]) for k in range(len(deviations))]
        return namespace(volumes).stack(grids, axis=-1)

    def solve(
        self,
        sums: SliceSums,
        prior: DeviationPrior,
        *,
        start: Coefficients | None = None,
        tolerance: float = 1e-2,
        max_steps: int = 40,
    ) -> Solution[Coefficients]:
        """Maximise over the fields' coefficients by preconditioned conjugate gradients.

        Args:
            sums: Summed residuals and kernels, one component for each row of the mixing.
            prior: Spectrum, support and mixing.
            start: Coefficients to start from.
            tolerance: Of the residual relative to the right-hand side, both preconditioned.
            max_steps: Bound on the steps.
        """
        mixing = prior.mixing.astype(np.float32)
        support, unmix = self._send(prior.support), self._send(mixing.T.copy())
        inside = support * _combine(unmix, self.back_project(sums))
        rhs = self._colour(prior) * self.from_box(inside)
        first = None if start is None else self._send(start)
        return solve_by_conjugate_gradients(
            self._system(sums, prior, rhs), start=first, tolerance=tolerance, max_steps=max_steps
        )

    def field_variance(
        self,
        sums: SliceSums,
        prior: DeviationPrior,
        observed: Float64[np.ndarray, " field"],
        *,
        roughly: bool = False,
    ) -> Float64[np.ndarray, "field n_shells"]:
        """Posterior variance of xi, averaged over each shell, where part of the data is missing.

        The diagonal of an inverse, from solutions for random signs (Hutchinson 1990). Rough ones
        bound it from below: maps are held back rather than let go.

        Args:
            sums: Summed kernels.
            prior: Spectrum, support and mixing.
            observed: Share of the information on each field that the data hold.
            roughly: Whether a few steps are enough.
        """
        reduced = replace(prior, mixing=prior.mixing * np.sqrt(observed))
        generator = np.random.default_rng(len(observed))
        edge, found = self.box.edge, np.zeros((len(observed), self.n_shells))
        power = np.zeros_like(found)
        for _ in range(N_PROBES):
            signs = generator.choice(np.array([-1, 1], np.float32), (len(observed), *[edge] * 3))
            probe = self._send(forward_3d(signs, threads=self._threads))
            solution = solve_by_conjugate_gradients(
                self._system(sums, reduced, probe),
                tolerance=0.0 if roughly else PROBE_TOLERANCE,
                max_steps=ROUGH_STEPS if roughly else PROBE_STEPS,
            ).coefficients
            found += self._shell_products(probe, solution)
            power += self._shell_products(probe, probe)
        return np.clip(found / power, 0, 1)

    def _system(
        self, sums: SliceSums, prior: DeviationPrior, rhs: Coefficients
    ) -> LinearSystem[Coefficients]:
        """Return the equations of the fields' coefficients, preconditioned by their diagonal."""
        colour, kernels = self._colour(prior), self._kernels(sums)
        mixing = prior.mixing.astype(np.float32)
        support, mix, unmix = (self._send(a) for a in (prior.support, mixing, mixing.T.copy()))

        def operate(x: Coefficients) -> Coefficients:
            classes = _combine(mix, support * self.to_box(x * colour))
            inside = self.to_box(kernels * self.from_box(classes))
            return x + colour * self.from_box(support * _combine(unmix, inside))

        preconditioner = 1 / (1 + colour**2 * self._diagonal(sums, prior))
        return LinearSystem(operate, rhs, preconditioner, self.dot)

    def _shell_products(
        self, one: Coefficients, other: Coefficients
    ) -> Float64[np.ndarray, "field n_shells"]:
        """Return each field's products of coefficients, summed over shells."""
        xp = namespace(one)
        products = fetch(xp.real(one) * xp.real(other) + xp.imag(one) * xp.imag(other))
        return np.stack([self._sum_shells(field) for field in products])

    def shell_power(self, coefficients: Coefficients) -> Float64[np.ndarray, " n_shells"]:
        """Mean |xi|^2 in each shell, averaged over fields; 1 where the prior holds."""
        power = _power(coefficients)
        total = self._sum_shells(namespace(power).mean(power, axis=0))
        return np.asarray(total / self.shell_counts)

    def shell_variance(
        self, sums: SliceSums, prior: DeviationPrior
    ) -> Float64[np.ndarray, " n_shells"]:
        """Approximate posterior variance of xi in each shell, averaged over fields.

        The support is taken as its mean square, which makes the posterior diagonal in Fourier
        space; exact for a support that fills the padded box.
        """
        variance = 1 / (1 + self._colour(prior) ** 2 * self._diagonal(sums, prior))
        total = self._sum_shells(namespace(variance).mean(variance, axis=0))
        return np.asarray(total / self.shell_counts)

    def power_inside(
        self, volume: Float32[np.ndarray, "d d d"]
    ) -> Float64[np.ndarray, " n_shells"]:
        """Spectrum of a volume inside the focus mask, per voxel of the mask."""
        mask = self.box.mask
        transform = self.from_box(self._send(mask * volume)[None, ...])
        return self.shell_power(transform) / self._mean_square(mask)

    def prior_cost(self, coefficients: Coefficients) -> float:
        """Return |xi|^2 / 2 over the full grid."""
        return 0.5 * self.dot(coefficients, coefficients)

    def inner_products(self, coefficients: Coefficients) -> Float64[np.ndarray, "field field"]:
        """Return the inner products of the fields' white coefficients, over the full grid."""
        fields = [coefficients[k : k + 1, ...] for k in range(coefficients.shape[0])]
        return np.array([[self.dot(one, other) for other in fields] for one in fields])

    def lay_out(self, curve: Float64[np.ndarray, " n_shells"]) -> Float32[Array, "e e h"]:
        """Lay numbers of the shells out on the padded grid; zero beyond the last shell."""
        values = self._send(np.append(curve, 0.0).astype(np.float32))
        xp = namespace(values)
        return xp.reshape(xp.take(values, self._shell_of_point), self._shells.shape)

    def _colour(self, prior: DeviationPrior) -> Float32[Array, "e e h"]:
        """Lay sqrt(tau2) out on the padded grid; zero beyond the last shell."""
        return self.lay_out(np.sqrt(prior.spectrum))

    def _kernels(self, sums: SliceSums) -> Float32[Array, "component e e h"]:
        """Return the summed kernels, components apart, for unitary transforms."""
        precision, unit = sums.precision, float(self.box.edge**3)
        columns = [precision[..., k] * unit for k in range(precision.shape[3])]
        return namespace(precision).stack(columns)

    def _diagonal(self, sums: SliceSums, prior: DeviationPrior) -> Float32[Array, "field e e h"]:
        """Each field's own kernel, as if the support were its mean square everywhere."""
        unit = self._mean_square(prior.support) * self.box.edge**3
        squared = (prior.mixing.T**2 * unit).astype(np.float32)
        xp = namespace(sums.precision)
        own = xp.tensordot(self._send(squared), sums.precision, axes=((1,), (3,)))
        return xp.where(own > 0, own, xp.zeros_like(own))

    def _mean_square(self, support: Float32[np.ndarray, "d d d"]) -> float:
        return float((support.astype(np.float64) ** 2).sum() / self.box.edge**3)

    def to_box(self, half: Complex64[Array, "*n e e h"]) -> Float32[Array, "*n d d d"]:
        """Return the small boxes that transforms of the padded one hold; unitary."""
        box = self.box
        return self._unit * inverse_3d_cropped(half, box.edge, box.diameter, threads=self._threads)

    def from_box(self, volumes: Float32[Array, "*n d d d"]) -> Complex64[Array, "*n e e h"]:
        """Return transforms of small boxes in the padded one; the adjoint of `to_box`."""
        return forward_3d_padded(volumes / self._unit, self.box.edge, threads=self._threads)

    def back_project(self, sums: SliceSums) -> Float32[Array, "component d d d"]:
        """Return the adjoint of `to_grid` applied to the summed residuals."""
        xp, weight = namespace(sums.data), self._send(self._unit / self._kernel)
        n_components = sums.data.shape[3]
        return xp.stack([self.to_box(sums.data[..., k]) * weight for k in range(n_components)])

    def dot(self, a: Coefficients, b: Coefficients) -> float:
        """Return the scalar product over the full grid."""
        xp = namespace(a)
        product = xp.real(a) * xp.real(b) + xp.imag(a) * xp.imag(b)
        lines = xp.reshape(product, (-1, product.shape[-1]))
        return float(xp.sum(xp.matmul(lines, self._hermitian), dtype=xp.float64))

    def _sum_shells(self, values: Float32[Array, "e e h"]) -> Float64[np.ndarray, " n_shells"]:
        weights = (hermitian_weights(self.box.edge) * fetch(values)).ravel().astype(np.float64)
        sums = np.bincount(self._shells.ravel(), weights, minlength=self.n_shells + 1)
        return sums[: self.n_shells]


def _power(coefficients: Coefficients) -> Float32[Array, "field edge edge half"]:
    xp = namespace(coefficients)
    return xp.real(coefficients) ** 2 + xp.imag(coefficients) ** 2


def _combine(
    mixing: Float32[Array, "n m"], volumes: Float32[Array, "m d d d"]
) -> Float32[Array, "n d d d"]:
    """Return the combinations of volumes that the rows of a matrix ask for."""
    return namespace(volumes).tensordot(mixing, volumes, axes=1)
