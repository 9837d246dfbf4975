"""Whole class maps as references, reconstructed anew in every cycle from whitened images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Int8

from cryofocus.consensus.reconstruct import MapEstimate, map_to_grid, solve_maps
from cryofocus.inference.mask2d.white_images import WhiteImages
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.maths.masks import sphere_mask

# Width of the soft edge of the sphere, inscribed in the box, beyond which a reference is zero.
SPHERE_EDGE_ANGSTROM = 20.0


def reconstruct_classes(
    images: WhiteImages,
    half_set: Int8[np.ndarray, " particle"],
    weights: Float32[np.ndarray, "particle n_classes"],
    kernels: SliceKernels,
) -> list[MapEstimate]:
    """Reconstruct each class from its weights; nothing is masked.

    Args:
        images: Whitened images.
        half_set: `(particle,)` 1 or 2; the Wiener filter follows the half maps' FSC.
        weights: Of each particle in each class.
        kernels: Slice kernels.
    """
    maps: list[MapEstimate] = []
    at_once = kernels.columns_at_once(images.geometry.edge)
    for start in range(0, weights.shape[1], at_once):
        columns = np.ascontiguousarray(weights[:, start : start + at_once])
        first, second = (_insert(images, half_set == half, columns, kernels) for half in (1, 2))
        sums = (first, second)
        maps.extend(solve_maps(sums, images.reference_box, threads=images.threads))
    return maps


def reference_grids(
    maps: Sequence[Float32[np.ndarray, "box box box"]],
    envelope: Float32[np.ndarray, "box box box"],
    edge: int,
) -> Complex64[np.ndarray, "edge edge half n_classes"]:
    """Return the padded grids whose slices are the projections of the maps times the envelope."""
    grids = np.empty((edge, edge, edge // 2 + 1, len(maps)), np.complex64)
    for k, volume in enumerate(maps):
        grids[..., k] = map_to_grid(np.asarray(volume * envelope, np.float32), edge)
    return grids


def inscribed_sphere(box: int, voxel_size_angstrom: float) -> Float32[np.ndarray, "box box box"]:
    """Return the envelope that cuts off the box's corners, which hold nothing but noise."""
    radius = max(box / 2 * voxel_size_angstrom - SPHERE_EDGE_ANGSTROM, 0.0)
    middle = (0.0, 0.0, 0.0)
    sphere = sphere_mask(box, voxel_size_angstrom, middle, radius, SPHERE_EDGE_ANGSTROM)
    return np.asarray(sphere, np.float32)


def _insert(
    images: WhiteImages,
    chosen: Bool[np.ndarray, " particle"],
    weights: Float32[np.ndarray, "particle column"],
    kernels: SliceKernels,
) -> SliceSums:
    """Insert the chosen particles, once for each column of weights."""
    n_columns = weights.shape[1]
    accumulator = kernels.accumulator(images.geometry.edge, n_columns, n_columns)
    counted = (chosen & weights.any(axis=1))[images.particles]
    for chunk in images.chunks():
        rows = chunk.start + np.flatnonzero(counted[chunk])
        of_rows = weights[images.particles[rows]]
        response = images.response[rows]
        weighted = response * images.band.hermitian
        accumulator.add(
            images.geometry.take(rows),
            images.transforms[rows] * weighted,
            response * weighted,
            of_rows,
            of_rows,
        )
    return accumulator.take().fetch()
