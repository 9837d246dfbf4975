"""Whole class maps as references, reconstructed anew in every cycle from whitened images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex64, Float, Float32, Float64, Int8

from cryofocus.consensus.reconstruct import SolvedMap, map_to_grid, solve_with_power
from cryofocus.inference.mask2d.white_images import WhiteImages
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.maths.filters import lowpass
from cryofocus.maths.masks import sphere_mask

# Width of the soft edge of the sphere, inscribed in the box, beyond which a reference is zero.
SPHERE_EDGE_ANGSTROM = 20.0


def reconstruct_classes(
    images: WhiteImages,
    half_set: Int8[np.ndarray, " particle"],
    weights: Float32[np.ndarray, "particle n_classes"],
    kernels: SliceKernels,
    inverse_tau2: Float64[np.ndarray, " grid_shells"] | None = None,
) -> list[SolvedMap]:
    """Reconstruct each class from its weights; nothing is masked.

    Args:
        images: Whitened images.
        half_set: `(particle,)` 1 or 2; the half maps' FSC says what a map's power is.
        weights: Of each particle in each class.
        kernels: Slice kernels.
        inverse_tau2: `(grid_shells,)` of the Wiener filter of all classes, from `shared_power`;
            without it, each class is filtered by its own half maps.
    """
    maps: list[SolvedMap] = []
    at_once = kernels.columns_at_once(images.geometry.edge)
    for start in range(0, weights.shape[1], at_once):
        columns = np.ascontiguousarray(weights[:, start : start + at_once])
        first, second = (_insert(images, half_set == half, columns, kernels) for half in (1, 2))
        sums = (first, second)
        box, threads = images.reference_box, images.threads
        maps.extend(solve_with_power(sums, box, threads=threads, inverse_tau2=inverse_tau2))
    return maps


def shared_power(
    maps: Sequence[SolvedMap], mean_occupancy: Float[np.ndarray, " n_classes"]
) -> Float64[np.ndarray, " grid_shells"]:
    """Return one 1/tau2 for all classes: their powers averaged with their mean occupancies.

    A class that lost particles would otherwise be filtered more, fit every image worse, and lose
    the rest; cisTEM and Frealign average the same way.
    """
    tau2 = np.array([1 / one.inverse_tau2 for one in maps])
    return np.asarray(mean_occupancy.sum() / (mean_occupancy @ tau2))


@dataclass(frozen=True, eq=False)
class Envelope:
    """What of a class map a reference holds.

    Attributes:
        inside: `(box, box, box)` what the map is multiplied by.
        outside: `(box, box, box)` what the same map, low-pass filtered, is multiplied by; or None.
        voxel_size_angstrom: Of the references.
        lowpass_angstrom: To which the density outside is filtered; None leaves it as it is.
    """

    inside: Float32[np.ndarray, "box box box"]
    outside: Float32[np.ndarray, "box box box"] | None = None
    voxel_size_angstrom: float = 1.0
    lowpass_angstrom: float | None = None

    def apply(
        self, volume: Float32[np.ndarray, "box box box"]
    ) -> Float32[np.ndarray, "box box box"]:
        """Return the reference that a class map makes."""
        reference = volume * self.inside
        if self.outside is not None:
            if self.lowpass_angstrom is not None:
                volume = lowpass(volume, self.voxel_size_angstrom, self.lowpass_angstrom)
            reference = reference + volume * self.outside
        return np.asarray(reference, np.float32)


def reference_grids(
    maps: Sequence[Float32[np.ndarray, "box box box"]], envelope: Envelope, edge: int
) -> Complex64[np.ndarray, "edge edge half n_classes"]:
    """Return the padded grids whose slices are the projections of the maps' references."""
    grids = np.empty((edge, edge, edge // 2 + 1, len(maps)), np.complex64)
    for k, volume in enumerate(maps):
        grids[..., k] = map_to_grid(envelope.apply(volume), edge)
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
