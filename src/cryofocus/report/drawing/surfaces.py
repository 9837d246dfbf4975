"""Coarse maps for the viewers of pages, which draw surfaces in them at any level."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8
from scipy.ndimage import label

from cryofocus.arrays import Volume
from cryofocus.maths.fourier import resize_volume
from cryofocus.report.drawing.slices import View

# A surface drawn on this many pixels shows no more detail.
MAX_SHOWN_EDGE = 80
MIN_SHOWN_EDGE = 24
VOLUME_BYTES_BUDGET = 6_000_000
DUST_FRACTION = 2e-5
MIN_DUST_VOXELS = 3
"""Pieces smaller than this part of the shown cube, or than so many voxels, are hidden."""
HIGHEST_BYTE, MIDDLE_BYTE = 255, 127
HIDDEN_DIFFERENCE = 0.06
"""Differences smaller than this part of the largest are stored as none."""

TINY = 1e-30
"""Stands in for the largest of values that are all the same."""

Scale = Literal["density", "difference", "mask"]
Point = tuple[float, float, float]
Cube = Float32[np.ndarray, "n n n"]
"""Density around the particle, axes z, y, x."""


@dataclass(frozen=True)
class Frame:
    """The cube that is shown: Å of its first voxel (x, y, z), of a voxel, and its edge."""

    low_angstrom: Point
    voxel_size_angstrom: float
    n_voxels: int


@dataclass(frozen=True, eq=False)
class Layer:
    """What one box to tick shows.

    Attributes:
        name: For people.
        scale: Which slider chooses the level; a difference is shown on both sides of zero.
        colours: Of the surface; of a difference, of more and of less density.
        density: Whose surface.
        paint: Difference that the surface is painted with, instead of the first colour.
        opacity: 1 for solid.
        is_shown: Whether it is ticked at first.
    """

    name: str
    scale: Scale
    colours: tuple[str, ...]
    density: Cube
    paint: Cube | None = None
    opacity: float = 1.0
    is_shown: bool = False


@dataclass(frozen=True)
class Range:
    """Values of one scale: what a viewer can tell apart, and where the slider moves.

    Attributes:
        low: Densities below are all the same.
        high: Densities above are all the same; of differences, on either side of zero.
        first: Lowest level of the slider.
        last: Highest level of the slider.
        start: Level at first.
        unit: What the slider's numbers are divided by, beyond `zero`.
        zero: Where the slider's numbers begin.
        name: Of the unit.
    """

    low: float
    high: float
    first: float
    last: float
    start: float
    unit: float = 1.0
    zero: float = 0.0
    name: str = ""


MASK_RANGE = Range(0.0, 1.0, 0.5, 0.5, 0.5)


def crop_to_view(volume: Volume, view: View) -> Cube:
    """Cut out the cube that is shown, on a grid as coarse as the screen allows.

    Args:
        volume: The whole map.
        view: The cube, in voxels of the map.

    Returns:
        Axes z, y, x; it lies where `frame_of_view` says.
    """
    box = len(volume)
    grid = _coarse_grid(box, view)
    coarse = resize_volume(volume, grid.box) if grid.box != box else volume
    shown = slice(grid.low, grid.high)
    return coarse[shown, shown, shown].copy()


def frame_of_view(
    box: int, view: View, voxel_size_angstrom: float, origin_angstrom: Point
) -> Frame:
    """Say where the cube lies that `crop_to_view` cuts out.

    Args:
        box: Edge of the whole map in voxels.
        view: The cube, in voxels of the map.
        voxel_size_angstrom: Å per voxel of the map.
        origin_angstrom: x, y, z of voxel (0, 0, 0) in the map's frame.
    """
    grid = _coarse_grid(box, view)
    voxel = voxel_size_angstrom * grid.step
    x, y, z = (o + grid.offset * voxel_size_angstrom + grid.low * voxel for o in origin_angstrom)
    return Frame((x, y, z), voxel, grid.high - grid.low)


@dataclass(frozen=True)
class _CoarseGrid:
    """The grid a map is brought to: box, voxels of the map per step, its first voxel there."""

    box: int
    step: float
    offset: float
    low: int
    high: int


def _coarse_grid(box: int, view: View) -> _CoarseGrid:
    factor = min(1.0, MAX_SHOWN_EDGE / (view.high - view.low))
    new_box = max(2 * round(box * factor / 2), 2) if factor < 1 else box
    step = box / new_box
    offset = box // 2 - new_box // 2 * step  # the central voxel stays in its place
    low = max(int(np.floor((view.low - offset) / step)), 0)
    high = min(int(np.ceil((view.high - offset) / step)), new_box)
    return _CoarseGrid(new_box, step, offset, low, high)


def describe_layers(
    layers: Sequence[Layer], ranges: dict[Scale, Range], frame: Frame
) -> dict[str, Any]:
    """Pack maps for the viewer.

    Args:
        layers: What can be shown, all on one grid.
        ranges: By the scales there are.
        frame: Where the grid lies.

    Returns:
        For JSON: ``frame``, ``ranges``, ``layers`` and the ``volumes`` that these name by number,
            one byte per voxel, compressed. If they are too large for a page, all are brought to a
            coarser grid.
    """
    packed = _pack(layers, ranges)
    edge = frame.n_voxels
    while (size := sum(map(len, packed))) > VOLUME_BYTES_BUDGET and edge > MIN_SHOWN_EDGE:
        fitting = int(0.97 * edge * (VOLUME_BYTES_BUDGET / size) ** (1 / 3))
        edge = max(min(fitting, edge - 1), MIN_SHOWN_EDGE)
        packed = _pack(layers, ranges, edge)
    frame = _coarser(frame, edge)
    numbers = _number(layers)
    return {
        "frame": {
            "low": list(frame.low_angstrom),
            "voxel": frame.voxel_size_angstrom,
            "edge": edge,
            "dust": _least_voxels(edge),
        },
        "ranges": {name: vars(own) for name, own in ranges.items()},
        "volumes": packed,
        "layers": [
            {
                "name": layer.name,
                "scale": layer.scale,
                "opacity": layer.opacity,
                "colours": layer.colours,
                "volume": numbers[id(layer.density)],
                "paint": None if layer.paint is None else numbers[id(layer.paint)],
            }
            for layer in layers
        ],
    }


def _number(layers: Sequence[Layer]) -> dict[int, int]:
    """Give the maps of layers numbers; several layers may show one map."""
    shown = [cube for one in layers for cube in (one.density, one.paint) if cube is not None]
    return {key: number for number, key in enumerate(dict.fromkeys(map(id, shown)))}


def _pack(
    layers: Sequence[Layer], ranges: dict[Scale, Range], edge: int | None = None
) -> list[str]:
    """Pack every map once, on a coarser grid if an edge is given."""
    scales: dict[int, tuple[Cube, Scale]] = {}
    for layer in layers:
        scales.setdefault(id(layer.density), (layer.density, layer.scale))
        if layer.paint is not None:
            scales.setdefault(id(layer.paint), (layer.paint, "difference"))
    packed = []
    for cube, scale in scales.values():
        shown = cube if edge is None else resize_volume(cube, edge)
        steps = to_bytes(shown, ranges[scale], is_signed=scale == "difference")
        packed.append(base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode("ascii"))
    return packed


def to_bytes(cube: Cube, values: Range, *, is_signed: bool) -> UInt8[np.ndarray, "n n n"]:
    """Write each value as one of 256 steps; of a difference, 127 is none."""
    if is_signed:
        share = np.clip(cube / max(values.high, TINY), -1, 1)
        share = np.where(np.abs(share) < HIDDEN_DIFFERENCE, 0, share)
        return np.asarray(np.rint(MIDDLE_BYTE * (1 + share)), np.uint8)
    share = (cube - values.low) / max(values.high - values.low, TINY)
    return np.asarray(np.rint(HIGHEST_BYTE * np.clip(share, 0, 1)), np.uint8)


def _coarser(frame: Frame, edge: int) -> Frame:
    """Say where a grid of fewer voxels lies that holds the same cube; its centre stays."""
    voxel = frame.voxel_size_angstrom * frame.n_voxels / edge
    shift = (frame.n_voxels // 2) * frame.voxel_size_angstrom - edge // 2 * voxel
    x, y, z = (low + shift for low in frame.low_angstrom)
    return replace(frame, low_angstrom=(x, y, z), voxel_size_angstrom=voxel, n_voxels=edge)


def without_dust(density: Cube, level: float) -> Cube:
    """Lower the pieces above a level to it that have too few connected voxels to mean anything.

    Returns:
        A copy.
    """
    pieces, _ = label(density > level)
    is_dust = np.bincount(pieces.ravel()) < _least_voxels(len(density))
    is_dust[0] = False
    return np.where(is_dust[pieces], np.float32(level), density)


def _least_voxels(edge: int) -> int:
    return max(round(DUST_FRACTION * edge**3), MIN_DUST_VOXELS)
