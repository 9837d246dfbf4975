"""A look at whether this machine computes the right numbers: loops, transforms and solver."""

from __future__ import annotations

import numpy as np

from cryofocus.inference.deviations.deviation import DeviationPrior, DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.kernels.contract import SliceGeometry, SliceSums
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.kernels.select import select_kernels
from cryofocus.maths.fourier import forward_2d, forward_3d
from cryofocus.maths.masks import sphere_mask
from cryofocus.placement import Send, fetch

_EDGE, _PARTICLES, _CLASSES = 16, 20, 2


def kernel_deviation(threads: int, device: str = "cpu") -> float:
    """Run what a classification computes on random numbers, on a device and in plain NumPy.

    Args:
        threads: Threads of the compiled kernels.
        device: "cpu" or "cuda".

    Returns:
        Largest deviation relative to the largest value; about 1e-6 where all is well.
    """
    generator = np.random.default_rng(0)
    reach = _EDGE // 2 - 2
    points = generator.uniform(0, reach / np.sqrt(2), (40, 2)).astype(np.float32)
    # First two rows of random orthogonal matrices.
    rotations = np.linalg.qr(generator.normal(size=(_PARTICLES, 3, 3)))[0][:, :2]
    geometry = SliceGeometry(_EDGE, points, rotations.astype(np.float32))
    # Kernels are given transforms of real maps: the half volume repeats itself at its rim.
    volumes = generator.normal(size=(_CLASSES, _EDGE, _EDGE, _EDGE)).astype(np.float32)
    grid = np.ascontiguousarray(np.moveaxis(forward_3d(volumes), 0, -1))
    data = _complex(generator, (_PARTICLES, len(points)))
    precision = generator.random(data.shape, dtype=np.float32)
    weights = generator.random((_PARTICLES, _CLASSES), dtype=np.float32)
    results: list[list[np.ndarray]] = []
    for kernels in (select_kernels(device, threads), ReferenceKernels()):
        accumulator = kernels.accumulator(_EDGE, _CLASSES, _CLASSES)
        accumulator.add(geometry, data, precision, weights, weights)
        total = accumulator.total()
        results.append(
            [
                kernels.gather(grid, geometry),
                *kernels.class_moments(grid, geometry, data, precision),
                *kernels.latent_moments(grid, geometry, data, precision),
                *(fetch(sums) for sums in (total.data, total.precision)),
                _solve(total, kernels.send),
                fetch(forward_2d(kernels.send(volumes[0]))),
            ]
        )
    return max(
        float(np.abs(compiled - plain).max() / np.abs(plain).max())
        for compiled, plain in zip(*results, strict=True)
    )


def _solve(sums: SliceSums, send: Send) -> np.ndarray:
    """Return the fields that solve for deviations in a sphere."""
    edge = _EDGE // 2
    mask = sphere_mask(edge, 1.0, (0.0, 0.0, 0.0), 0.3 * edge, 1.5)
    space = DeviationSpace(
        FocusBox(mask, (0.0, 0.0, 0.0), _EDGE, 2 * _EDGE, 1.0), edge - 2, 1, send
    )
    # As strong as the data: rounding is not enlarged.
    prior = DeviationPrior(np.full(space.n_shells, 1e-4), mask, np.eye(_CLASSES))
    solution = space.solve(sums, prior, tolerance=1e-6)
    return space.fields(solution.coefficients, prior)


def _complex(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    parts = generator.normal(size=(2, *shape)).astype(np.float32)
    return np.asarray(parts[0] + 1j * parts[1])
