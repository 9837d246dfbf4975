"""The focus region's small box and what each image contributes to it.

A class's deviation from the consensus lives inside the focus mask, so its projection lives in a
disc of the mask's diameter. Of each image, therefore, only two small arrays enter the
likelihood: the matched-filtered residual around the projected mask centre, and the image's own
autocorrelation kernel for lags shorter than the diameter
(docs/derivations/small-box-statistics.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Complex64, Float, Float32, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.ground import Allocate
from cryofocus.consensus.image_model import ImageModel
from cryofocus.consensus.match import ImageMatch, allocate_match
from cryofocus.consensus.residuals import MatchedResidual, each_residual
from cryofocus.inference.strategy import Storage
from cryofocus.kernels.bfloat16 import encode
from cryofocus.kernels.contract import Data, Precision, SliceGeometry
from cryofocus.maths.fourier import (
    forward_2d,
    forward_3d,
    inverse_2d,
    inverse_3d,
    next_fast_len,
    resize_half_3d,
    resize_volume,
    shift_phases,
)
from cryofocus.maths.grids import coarse_box, cut_cube, fit_box_2d
from cryofocus.maths.masks import mask_bounds, resample_mask
from cryofocus.placement import Array, beside, fetch, namespace

# How much longer the padded small box may be than the particle's box. Points of a particle grow
# with its square, while grids and the solver compare with a whole box padded twofold.
LARGEST_STRETCH = 1.3


@dataclass(frozen=True)
class FocusBox:
    """A cubic box around the focus mask, padded twofold for slices and for linear correlation.

    Attributes:
        mask: `(diameter, diameter, diameter)` the focus mask in the small box.
        centre_angstrom: (x, y, z) of the small box's centre voxel, from the particle's box centre.
        edge: Edge of the padded small box, twice the diameter.
        sampled_box: Edge of the particle's box, resampled as coarsely as the band allows.
        voxel_size_angstrom: Å per voxel of that sampling.
    """

    mask: Float32[np.ndarray, "d d d"]
    centre_angstrom: tuple[float, float, float]
    edge: int
    sampled_box: int
    voxel_size_angstrom: float

    @property
    def diameter(self) -> int:
        """Edge of the unpadded small box in voxels."""
        return int(self.mask.shape[0])

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut off: the small box is the particle's box."""
        return self.diameter == self.sampled_box

    @classmethod
    def around(
        cls, mask: Float32[np.ndarray, "box box box"], voxel_size_angstrom: float, n_shells: int
    ) -> FocusBox:
        """Return the smallest small box that holds a mask, sampled for `n_shells` shells.

        Where twice the mask's diameter exceeds the particle's box by much, statistics of the
        small box would take more than the whole box's, and the small box is the whole box.
        """
        box = mask.shape[0]
        coarse = coarse_box(box, n_shells)
        if coarse < box:
            mask = resample_mask(mask, coarse)
        voxel = voxel_size_angstrom * box / coarse
        middle = [(bound.start + bound.stop) // 2 for bound in mask_bounds(mask)]
        places = np.argwhere(mask > 0) - middle
        radius = float(np.sqrt((places**2).sum(axis=1).max()))
        diameter = next_fast_len(2 * int(np.ceil(radius + 1)))
        if 2 * diameter > LARGEST_STRETCH * coarse:
            diameter, middle = coarse, [coarse // 2] * 3
        z, y, x = (float((m - coarse // 2) * voxel) for m in middle)
        return cls(cut_cube(mask, middle, diameter), (x, y, z), 2 * diameter, coarse, voxel)

    def band(self, n_shells: int, stretch: float = 1.0) -> Band:
        """Return the points that carry the particle's first `n_shells` shells.

        Cutting the residual to the small box spreads each coefficient over its neighbours, so
        the small band reaches two points further, as far as slices `stretch` times as long stay
        on the grid.
        """
        if self.is_whole:
            return Band.disc(self.sampled_box, n_shells)
        reach = int(np.ceil(n_shells * self.edge / self.sampled_box)) + 2
        return Band.disc(self.edge, min(reach, int((self.edge // 2 - 1) / stretch + 0.5)))

    def coarsened(self, share: float) -> FocusBox:
        """Return the same box with fewer voxels, for a share of the Fourier radius it holds.

        Points of a slice stay where they are on its grid, for the extent stays the same.
        """
        diameter = next_fast_len(int(np.ceil(share * (self.diameter - 1))) + 1)
        if diameter >= self.diameter:
            return self
        coarser = self.diameter / diameter
        return replace(
            self,
            mask=resample_mask(self.mask, diameter),
            edge=2 * diameter,
            sampled_box=round(self.sampled_box / coarser),
            voxel_size_angstrom=self.voxel_size_angstrom * coarser,
        )

    def cut(self, volume: Float32[np.ndarray, "box box box"]) -> Float32[np.ndarray, "d d d"]:
        """Cut the small box out of a whole-box map, in the units of deviations.

        A deviation's transform has the values of the whole box's transform, so that slices of
        both compare; its grey values are higher by the ratio of the voxel volumes.
        """
        box = volume.shape[0]
        half = resize_half_3d(forward_3d(volume), box, self.sampled_box)
        middle = [
            round(c / self.voxel_size_angstrom) + self.sampled_box // 2
            for c in reversed(self.centre_angstrom)
        ]
        return cut_cube(inverse_3d(half, self.sampled_box), middle, self.diameter)

    def paste(
        self, volume: Float32[np.ndarray, "d d d"], box: int
    ) -> Float32[np.ndarray, "box box box"]:
        """Put a small-box map into an empty box of the particle's extent, in that box's units.

        The inverse of `cut` for what vanishes outside the mask.

        Args:
            volume: Map of the small box.
            box: Edge of the particle's box in voxels, at any sampling.
        """
        place = [
            self.diameter // 2 - round(c / self.voxel_size_angstrom)
            for c in reversed(self.centre_angstrom)
        ]
        coarse = cut_cube(volume, place, self.sampled_box)
        factor = np.float32((self.sampled_box / box) ** 3)
        return np.asarray(resize_volume(coarse, box) * factor, np.float32)


@dataclass(frozen=True)
class FocusPlan:
    """Which statistics are taken of every image, and how they are kept.

    Attributes:
        box: The small box.
        n_shells: Shells of the particle's box that enter (the classification's resolution limit).
        storage: "float32", or "bfloat16" for half the bytes.
        edges: Bands in which images are matched with the background (`match`); none by default.
    """

    box: FocusBox
    n_shells: int
    storage: Storage = "float32"
    edges: tuple[int, ...] = ()

    def n_bytes(self, n_particles: int, n_columns: int) -> int:
        """Return the memory it will take, with so many columns in the background."""
        n_numbers = n_particles * len(self.box.band(self.n_shells)) * (1 + 2 * n_columns)
        return n_numbers * (2 if self.storage == "bfloat16" else 4)


@dataclass(frozen=True)
class FocusStatistics:
    """The sufficient statistics of all particles for the small box.

    Attributes:
        box: The small box.
        band: The points of the half plane that enter.
        geometry: Where each particle's slice cuts the padded small box.
        data: `(particle, point)` transforms Z of the matched-filtered residuals, of which class
            maps are made.
        compared: The same for what classes are compared with; the residuals themselves, unless
            references hold less than the images do (`background`).
        precision: `(particle, point)` transforms Q of the autocorrelation kernels.
        scale: `(particle,)` intensity scale of each particle.
        match: How well each image matches its background, where the plan has bands.

    All arrays carry the Hermitian weights and the normalisation of the inverse transform, so
    that `L = sum Re(conj Z P) - 1/2 Q |P|^2` over the points is the log-likelihood.
    """

    box: FocusBox
    band: Band
    geometry: SliceGeometry
    data: Data
    compared: Data
    precision: Precision
    scale: Float32[np.ndarray, " particle"]
    match: ImageMatch | None = None

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.data)

    def take(self, which: Int[np.ndarray, " m"]) -> FocusStatistics:
        """Return the statistics of some of the particles."""
        data = self.data[which]
        return replace(
            self,
            geometry=self.geometry.take(which),
            data=data,
            compared=data if self.compared is self.data else self.compared[which],
            precision=self.precision[which],
            scale=self.scale[which],
            match=None if self.match is None else self.match.take(which),
        )

    def coarsened(self, part: CoarsePart, allocate: Allocate = np.empty) -> FocusStatistics:
        """Return the statistics of a part of the band, in a small box as coarse.

        Args:
            part: Of the small box and the band.
            allocate: Makes the arrays, given shape and type.
        """

        def take(stored: Any) -> Any:
            array = allocate((len(stored), len(part.places), *stored.shape[2:]), stored.dtype)
            return np.take(stored, part.places, axis=1, out=array)

        data = take(self.data)
        points, matrices = self.geometry.points[part.places], self.geometry.matrices
        return replace(
            self,
            box=part.box,
            band=part.band,
            geometry=SliceGeometry(part.box.edge, points, matrices),
            data=data,
            compared=data if self.compared is self.data else take(self.compared),
            precision=take(self.precision),
        )


@dataclass(frozen=True, eq=False)
class CoarsePart:
    """The first shells of a band, and a small box that is just fine enough for them.

    Attributes:
        box: The small box.
        band: The points.
        places: `(point,)` where they are in the whole band.
    """

    box: FocusBox
    band: Band
    places: Int[np.ndarray, " point"]

    @classmethod
    def of(cls, box: FocusBox, band: Band, n_shells: int) -> CoarsePart:
        """Return the part of a small box and its band that holds the first `n_shells` shells."""
        places = np.flatnonzero(band.shells < n_shells)
        radii = np.linalg.norm(band.grid_points(1), axis=1)
        share = float(radii[places].max() / radii.max())
        return cls(box.coarsened(share), band.take(places), places)


def measure_focus(
    background: Background,
    model: ImageModel,
    plan: FocusPlan,
    *,
    allocate: Allocate = np.empty,
    advance: Callable[[int], None] = lambda _: None,
) -> FocusStatistics:
    """Take the small-box statistics of every particle in one pass over the images.

    Args:
        background: The images, and what is taken out of them; a second column, if there is one, is
            what is taken out of them when classes are compared.
        model: Noise and scale prior.
        plan: Small box, shells and storage.
        allocate: Makes the large arrays, given shape and type.
        advance: Called with the number of particles done.
    """
    images, box, n_shells = background.images, plan.box, plan.n_shells
    full_band = Band.disc(images.particles.box, n_shells)
    band = box.band(n_shells, images.stretch)
    shape, in_half = (len(images), len(band)), plan.storage == "bfloat16"
    kind = ((*shape, 2), np.uint16) if in_half else (shape, np.complex64)
    columns = [allocate(*kind) for _ in range(background.n_columns)]
    precision = allocate(shape, np.uint16 if in_half else np.float32)
    scale = np.empty(len(images), np.float32)
    everything = np.arange(len(images))
    geometry = images.geometry(band, box.edge / band.box, box.edge, everything)
    centres = geometry.matrices.astype(np.float64) @ np.asarray(box.centre_angstrom)
    # Inverse transforms of the whole box divided by its points; sums over its plane did not.
    weight = band.hermitian * np.float32((box.sampled_box / band.box) ** 2)
    weight = background.kernels.send(weight)

    def cut(residual: MatchedResidual) -> tuple[MatchedResidual, list[np.ndarray]]:
        where, bands = centres[residual.particles], (n_shells, band)
        data, kernel = to_small_box(residual, box, bands, where, threads)
        weighted = [fetch(array * weight) for array in (*data, kernel)]
        return residual, [encode(one) for one in weighted] if in_half else weighted

    threads = 1 if images.helpers(background.kernels.send) else images.threads
    match = allocate_match(len(images), plan.edges) if plan.edges else None
    for residual, small in each_residual(cut, background, model, full_band, plan.edges):
        which = residual.particles
        if match is not None and residual.match is not None:
            match.put(which, residual.match)
        scale[which] = residual.scale
        for array, rows in zip((*columns, precision), small, strict=True):
            array[which] = rows
        advance(len(which))
    return FocusStatistics(box, band, geometry, columns[0], columns[-1], precision, scale, match)


def to_small_box(
    residual: MatchedResidual,
    box: FocusBox,
    bands: tuple[int, Band],
    centres_angstrom: Float[np.ndarray, "n 2"],
    threads: int = 1,
) -> tuple[tuple[Complex64[Array, "n small_point"], ...], Float32[Array, "n small_point"]]:
    """Cut residuals and kernel to the small box and return their transforms on its band.

    Exact for every deviation inside the mask: its projection lies within the mask's radius of
    the projected centre, and two of its points are never farther apart than the diameter.

    Args:
        residual: Matched residuals on the first shells of the particle's box.
        box: The small box.
        bands: How many shells these are, and the band of the small box to return.
        centres_angstrom: `(n, 2)` where the small box's centre lands in each image.
        threads: Threads.
    """
    n_shells, band = bands
    if box.is_whole:
        return residual.data, residual.precision
    sampled = Band.disc(box.sampled_box, n_shells)
    precision = residual.precision
    phases = shift_phases(
        box.sampled_box,
        box.voxel_size_angstrom,
        -centres_angstrom,
        send=lambda array: beside(array, precision),
    )
    data = []
    for column in residual.data:
        half = sampled.scatter(column)
        half *= phases
        cut = fit_box_2d(inverse_2d(half, box.sampled_box, threads=threads), box.diameter)
        data.append(band.pick(forward_2d(fit_box_2d(cut, box.edge), threads=threads)))
    xp = namespace(precision)
    kernel_half = sampled.scatter(xp.astype(precision, xp.complex64))
    lags = inverse_2d(kernel_half, box.sampled_box, threads=threads)
    kernel = band.pick(forward_2d(_fit_lags(lags, box.edge), threads=threads))
    return tuple(data), xp.real(kernel)


def _fit_lags(lags: Float32[Array, "n old old"], edge: int) -> Float32[Array, "n edge edge"]:
    """Crop kernels of lags, or go on with them beyond the image: there they repeat."""
    old = lags.shape[-1]
    if edge <= old:
        return fit_box_2d(lags, edge)
    xp = namespace(lags)
    places = beside((np.arange(edge) - edge // 2 + old // 2) % old, lags)
    return xp.take(xp.take(lags, places, axis=1), places, axis=2)
