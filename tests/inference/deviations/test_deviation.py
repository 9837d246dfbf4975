"""The maximisation: normal equations, linearity, support and prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.inference.deviations.deviation import DeviationPrior, DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.kernels.contract import SliceGeometry, SliceSums
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.masks import sphere_mask

DIAMETER = 8
EDGE = 2 * DIAMETER
N_SHELLS = 6
TIGHT = {"tolerance": 1e-6, "max_steps": 300}
MIXING = np.array([[1.0, 0.3], [-0.7, 0.3]])


def make_space() -> tuple[DeviationSpace, DeviationPrior]:
    """A small space with an uneven support and a falling spectrum."""
    mask = sphere_mask(DIAMETER, 1.0, (0.3, -0.2, 0.1), 2.0, 1.5)
    space = DeviationSpace(FocusBox(mask, (0.0, 0.0, 0.0), EDGE, 40, 1.0), N_SHELLS)
    return space, DeviationPrior(np.linspace(3, 0.5, N_SHELLS), mask, MIXING)


def make_sums(seed: int = 0, n_components: int = 2) -> SliceSums:
    """Sums over random slices, with positive kernels."""
    rng = np.random.default_rng(seed)
    k = np.arange(-5, 6)
    ky, kx = np.meshgrid(k, np.arange(6), indexing="ij")
    inside = (np.hypot(kx, ky) <= 5) & ((kx > 0) | (ky >= 0))
    points = np.stack([kx[inside], ky[inside]], axis=1).astype(np.float32)
    matrices = np.linalg.qr(rng.normal(size=(30, 3, 3)))[0][:, :2].astype(np.float32)
    shape = (len(matrices), len(points))
    data = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    precision = rng.random(shape).astype(np.float32) * np.float32(0.02)
    weights = rng.random((len(matrices), n_components)).astype(np.float32)
    accumulator = CpuKernels(1).accumulator(EDGE, n_components, n_components)
    accumulator.add(SliceGeometry(EDGE, points, matrices), data, precision, weights, weights)
    return accumulator.total()


def unit_fields(space: DeviationSpace, prior: DeviationPrior, voxels: np.ndarray) -> np.ndarray:
    """Fields of single degrees of freedom of a field's coefficients, (voxel, d, d, d).

    White noise in real space has white coefficients, so unit voxels of the padded box serve.
    """
    result = []
    for voxel in voxels:
        unit = np.zeros(EDGE**3)
        unit[voxel] = 1
        half = np.fft.rfftn(np.fft.ifftshift(unit.reshape((EDGE,) * 3))) / EDGE**1.5
        coefficients = np.stack([half] * prior.mixing.shape[1]).astype(np.complex64)
        result.append(space.fields(coefficients, prior)[0].ravel())
    return np.array(result, np.float64)


def test_solution_satisfies_the_normal_equations() -> None:
    """The gradient of log-likelihood and prior, formed voxel by voxel, vanishes."""
    space, prior = make_space()
    sums = make_sums()
    solution = space.solve(sums, prior, **TIGHT)
    fields = space.fields(solution.coefficients, prior).reshape(2, -1).astype(np.float64)
    voxels = np.random.default_rng(4).choice(EDGE**3, 300, replace=False)
    basis = unit_fields(space, prior, voxels)
    inside = prior.support.ravel() > 0
    # Voxels as plane waves over the padded grid, from the definition.
    axis = np.arange(DIAMETER) - DIAMETER // 2
    k = np.fft.fftfreq(EDGE) * EDGE
    wave = np.exp(-2j * np.pi * np.outer(k, axis) / EDGE)
    half = np.einsum("zc,yb,xa->zyxcba", wave, wave, wave[: EDGE // 2 + 1])
    half = half.reshape(EDGE, EDGE, EDGE // 2 + 1, -1)[..., inside]
    weight = np.full(EDGE // 2 + 1, 2.0)
    weight[[0, -1]] = 1
    line = np.sinc(axis / EDGE) ** 2
    kernel = np.einsum("c,b,a->cba", line, line, line).ravel()[inside]
    pull = (
        np.einsum("zyxv,zyxk,x->kv", half.conj(), sums.data, weight, optimize=True).real / kernel
    )
    flat = half.reshape(-1, half.shape[-1])
    components = MIXING @ fields[:, inside]
    push = np.empty_like(pull)
    for c in range(2):
        transformed = flat @ components[c]
        full = sums.precision[..., c].astype(np.float64) * weight
        push[c] = (flat.conj().T @ (full.ravel() * transformed)).real
    gradient_fields = MIXING.T @ (pull - push)
    # Coefficients of the solution in the same basis: the inverse transform, unitary.
    whole = np.fft.irfftn(solution.coefficients, s=(EDGE,) * 3, axes=(1, 2, 3)) * EDGE**1.5
    xi = np.fft.fftshift(whole, axes=(1, 2, 3)).reshape(2, -1)[:, voxels]
    gradient = gradient_fields @ basis[:, inside].T - xi
    assert np.abs(gradient).max() < 1e-3 * np.abs((MIXING.T @ pull) @ basis[:, inside].T).max()


def test_solution_is_linear_in_the_data() -> None:
    """Twice the residuals, or the sum of two, give twice the solution, or the sum of two."""
    space, prior = make_space()
    first, second = make_sums(0), make_sums(1)
    second = replace(second, precision=first.precision)
    both = replace(first, data=2 * first.data + second.data)
    a, b, c = (space.solve(s, prior, **TIGHT).coefficients for s in (first, second, both))
    np.testing.assert_allclose(2 * a + b, c, atol=2e-4 * np.abs(c).max())


def test_deviations_vanish_outside_the_support() -> None:
    """Nothing, not even rounding error, deviates where the support is zero."""
    space, prior = make_space()
    deviations = space.expand(space.solve(make_sums(), prior).coefficients, prior)
    assert (deviations[:, prior.support == 0] == 0).all()
    assert np.abs(deviations).max() > 0


def test_a_warm_start_reaches_the_same_solution() -> None:
    """Where the search starts does not matter, only how long it takes."""
    space, prior = make_space()
    sums = make_sums()
    cold = space.solve(sums, prior, **TIGHT)
    warm = space.solve(sums, prior, start=cold.coefficients, tolerance=1e-4)
    assert warm.n_steps == 0
    np.testing.assert_array_equal(warm.coefficients, cold.coefficients)


@pytest.mark.parametrize("kernels", [ReferenceKernels(), CpuKernels(2)])
def test_slices_and_sums_are_adjoint_through_the_space(
    kernels: ReferenceKernels | CpuKernels,
) -> None:
    """<residual, slices of deviations> equals <summed residual, deviations>, as EM assumes."""
    space, prior = make_space()
    rng = np.random.default_rng(2)
    points = np.array([[0, 0], [1, -2], [3, 1], [4, 4], [5, -1]], np.float32)
    matrices = np.linalg.qr(rng.normal(size=(6, 3, 3)))[0][:, :2].astype(np.float32)
    geometry = SliceGeometry(EDGE, points, matrices)
    data = (rng.normal(size=(6, 5)) + 1j * rng.normal(size=(6, 5))).astype(np.complex64)
    data[:, 0] = data[:, 0].real
    coefficients = space.solve(make_sums(3), prior).coefficients
    deviations = space.expand(coefficients, prior)[:1]
    slices = kernels.gather(space.to_grid(deviations), geometry)[..., 0]
    in_images = (data.conj() * slices).real.sum()
    accumulator = kernels.accumulator(EDGE, 1, 1)
    ones = np.ones((6, 1), np.float32)
    accumulator.add(geometry, data, np.zeros((6, 5), np.float32), ones, ones)
    weight = np.full(EDGE // 2 + 1, 2.0)
    weight[[0, -1]] = 1
    product = accumulator.total().data.conj() * space.to_grid(deviations)
    in_grid = np.einsum("zyxk,x->", product.real, weight)
    np.testing.assert_allclose(in_grid, in_images, rtol=1e-4)


def test_a_weaker_prior_power_gives_smaller_deviations() -> None:
    """The smaller tau2, the closer classes stay to the consensus."""
    space, prior = make_space()
    sums = make_sums()
    sizes = [
        np.linalg.norm(space.expand(space.solve(sums, p, **TIGHT).coefficients, p))
        for p in (replace(prior, spectrum=f * prior.spectrum) for f in (1e-3, 1e-2, 0.1, 1.0, 10))
    ]
    assert (np.diff(sizes) > 0).all()


def test_prior_cost_is_half_the_squared_norm() -> None:
    """White noise in the padded box costs half its squared length, by Parseval."""
    space, _ = make_space()
    noise = np.random.default_rng(1).normal(size=(2, EDGE, EDGE, EDGE))
    coefficients = (np.fft.rfftn(noise, axes=(1, 2, 3)) / EDGE**1.5).astype(np.complex64)
    np.testing.assert_allclose(space.prior_cost(coefficients), 0.5 * (noise**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(space.shell_power(coefficients)[3:], 1, atol=0.2)


def test_without_data_the_posterior_is_the_prior() -> None:
    """Nothing seen, nothing deviates, and every coefficient keeps the prior's variance."""
    space, prior = make_space()
    sums = make_sums()
    nothing = SliceSums(0 * sums.data, 0 * sums.precision)
    assert not space.solve(nothing, prior).coefficients.any()
    np.testing.assert_allclose(space.shell_variance(nothing, prior), 1)


def test_what_fields_hold_lies_between_the_truth_and_a_support_taken_as_its_mean() -> None:
    """Coefficients determined are at least those of the dense posterior, and not many more.

    Fields have the covariance w(x) w(y) R(x - y), R the transform of the spectrum; of the normal
    matrix's eigenvalues e, each determines e / (1 + e) coefficients.
    """
    space, prior = make_space()
    sums, n_voxels = make_sums(), DIAMETER**3
    power = np.append(prior.spectrum, 0.0)[np.minimum(shell_index_3d(EDGE), N_SHELLS)]
    correlation = np.fft.irfftn(power, s=[EDGE] * 3, axes=(0, 1, 2))
    places = np.stack(np.meshgrid(*[np.arange(DIAMETER)] * 3, indexing="ij")).reshape(3, -1)
    apart = (places[:, :, None] - places[:, None, :]) % EDGE
    support = prior.support.ravel().astype(np.float64)
    covariance = np.outer(support, support) * correlation[tuple(apart)]
    units = np.eye(n_voxels, dtype=np.float32).reshape(n_voxels, *[DIAMETER] * 3)
    kernels = [
        space.to_box(sums.precision[..., k] * np.float32(EDGE**3) * space.from_box(units))
        for k in range(2)
    ]
    for observed in (np.ones(2), np.array([0.3, 1.0])):
        mixing = prior.mixing * np.sqrt(observed)
        both = np.kron(mixing @ mixing.T, covariance)
        told = np.zeros_like(both)
        for k, kernel in enumerate(kernels):
            rows = slice(k * n_voxels, (k + 1) * n_voxels)
            told[rows, rows] = kernel.reshape(n_voxels, n_voxels)
        values = np.maximum(np.linalg.eigvals(told @ both).real, 0)
        determined = (values / (1 + values)).sum()
        found = ((1 - space.field_variance(sums, prior, observed)) * space.shell_counts).sum()
        alike = replace(prior, mixing=mixing)
        rough = 2 * ((1 - space.shell_variance(sums, alike)) * space.shell_counts).sum()
        assert determined < found < determined + 0.3 * (rough - determined)


def test_without_images_nothing_is_known() -> None:
    """Variances are those of the prior."""
    space, prior = make_space()
    sums = make_sums()
    nothing = SliceSums(sums.data, 0 * sums.precision)
    np.testing.assert_allclose(space.field_variance(nothing, prior, np.ones(2)), 1, atol=1e-6)
