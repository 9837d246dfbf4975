"""Surfaces for the viewer of the report: at several levels, small enough to be sent in a page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from cryofocus.arrays import Volume
from cryofocus.maps.surface import SurfaceMesh, extract_surface, hide_dust
from cryofocus.maths.fourier import resize_volume
from cryofocus.report.drawing.slices import View

# A surface drawn on this many pixels shows no more detail.
MAX_SHOWN_EDGE = 80
MIN_SHOWN_EDGE = 24
MESH_BYTES_BUDGET = 4_500_000
DUST_FRACTION = 2e-5
MIN_DUST_VOXELS = 3
"""Pieces smaller than this part of the shown cube, or than so many voxels, are hidden."""
TRIPLE_BYTES = 8
"""What a vertex or a triangle costs in the page: three 16-bit numbers in base64."""
MAX_SHORT = 65_535

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

    @property
    def step_angstrom(self) -> float:
        """Å that one unit of a 16-bit coordinate means; the surface may pass a voxel beyond."""
        return (self.n_voxels + 1) * self.voxel_size_angstrom / MAX_SHORT


@dataclass(frozen=True, eq=False)
class Part:
    """Surfaces of one colour: those of a density at each level of its scale."""

    colour: str
    density: Cube
    levels: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """What one box to tick shows.

    Attributes:
        name: For people.
        scale: Which slider chooses the level.
        parts: Surfaces shown together, such as more and less of a difference.
        opacity: 1 for solid.
        is_shown: Whether it is ticked at first.
    """

    name: str
    scale: Scale
    parts: tuple[Part, ...]
    opacity: float = 1.0
    is_shown: bool = False


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


def describe_layers(layers: Sequence[Layer], frame: Frame) -> dict[str, Any]:
    """Extract all surfaces and pack them for the viewer.

    Args:
        layers: What can be shown, all on one grid.
        frame: Where the grid lies.

    Returns:
        For JSON: ``frame`` and ``layers``; coordinates are 16-bit steps from the low corner of the
            frame. If the surfaces are too large for a page, all are taken from a coarser grid.
    """
    meshes, frame = _within_budget(layers, frame)
    return {
        "frame": {
            "low": [c - frame.voxel_size_angstrom for c in frame.low_angstrom],
            "step": frame.step_angstrom,
            "size": (frame.n_voxels + 1) * frame.voxel_size_angstrom,
        },
        "layers": [
            {
                "name": layer.name,
                "scale": layer.scale,
                "opacity": layer.opacity,
                "parts": [
                    {"colour": part.colour, "meshes": [_pack(mesh, frame) for mesh in own]}
                    for part, own in zip(layer.parts, parts, strict=True)
                ],
            }
            for layer, parts in zip(layers, meshes, strict=True)
        ],
    }


Meshes = list[list[list[SurfaceMesh]]]
"""By layer, part and level."""


def _within_budget(layers: Sequence[Layer], frame: Frame) -> tuple[Meshes, Frame]:
    """Extract surfaces; if they are too large, again on the grid on which they fit."""
    meshes = _extract(layers, frame)
    edge = frame.n_voxels
    while (size := _n_bytes(meshes)) > MESH_BYTES_BUDGET and edge > MIN_SHOWN_EDGE:
        # Triangles are as many as voxels on the surface.
        fitting = int(0.97 * edge * (MESH_BYTES_BUDGET / size) ** 0.5)
        edge = max(min(fitting, edge - 1), MIN_SHOWN_EDGE)
        coarse = [_coarser(layer, edge) for layer in layers]
        voxel = frame.voxel_size_angstrom * frame.n_voxels / edge
        shift = (frame.n_voxels // 2) * frame.voxel_size_angstrom - edge // 2 * voxel
        x, y, z = (low + shift for low in frame.low_angstrom)
        layers, frame = coarse, Frame((x, y, z), voxel, edge)
        meshes = _extract(layers, frame)
    return meshes, frame


def _coarser(layer: Layer, edge: int) -> Layer:
    parts = tuple(
        Part(part.colour, resize_volume(part.density, edge), part.levels) for part in layer.parts
    )
    return Layer(layer.name, layer.scale, parts, layer.opacity, layer.is_shown)


def _extract(layers: Sequence[Layer], frame: Frame) -> Meshes:
    dust = max(round(DUST_FRACTION * frame.n_voxels**3), MIN_DUST_VOXELS)
    return [
        [
            [
                extract_surface(
                    hide_dust(part.density, level, dust),
                    level,
                    frame.voxel_size_angstrom,
                    frame.low_angstrom,
                )
                for level in part.levels
            ]
            for part in layer.parts
        ]
        for layer in layers
    ]


def _n_bytes(meshes: Meshes) -> int:
    return sum(
        TRIPLE_BYTES * (len(mesh.vertices_angstrom) + len(mesh.triangles) * (1 + _is_wide(mesh)))
        for layer in meshes
        for part in layer
        for mesh in part
    )


def _is_wide(mesh: SurfaceMesh) -> bool:
    """Tell whether indices of vertices need 32 bits."""
    return len(mesh.vertices_angstrom) > MAX_SHORT


def _pack(mesh: SurfaceMesh, frame: Frame) -> dict[str, Any]:
    low = np.asarray(frame.low_angstrom) - frame.voxel_size_angstrom
    steps = (mesh.vertices_angstrom - low) / frame.step_angstrom
    vertices = np.clip(np.rint(steps), 0, MAX_SHORT).astype("<u2")
    triangles = mesh.triangles.astype("<u4" if _is_wide(mesh) else "<u2")
    return {"v": _base64(vertices), "t": _base64(triangles), "wide": _is_wide(mesh)}


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
