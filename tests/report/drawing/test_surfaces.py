"""Surfaces for the viewer: in their place, at the chosen levels, within what a page may hold."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cryofocus.maths.masks import sphere_mask
from cryofocus.report.drawing import surfaces
from cryofocus.report.drawing.slices import View
from cryofocus.report.drawing.surfaces import (
    Layer,
    Part,
    crop_to_view,
    describe_layers,
    frame_of_view,
)
from cryofocus.report.run.results import read_results
from cryofocus.report.run.shown_maps import read_maps
from cryofocus.report.run.surface_section import compose_layers, density_levels, difference_levels
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]

BOX, VOXEL, ORIGIN = 48, 3.0, (10.0, -20.0, 5.0)
CENTRE = (9.0, -12.0, 15.0)
BALL = sphere_mask(BOX, VOXEL, CENTRE, 12.0, 12.0)
WHERE = np.asarray(ORIGIN) + BOX // 2 * VOXEL + CENTRE


def unpack(mesh: dict[str, Any], frame: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in Å and triangles, as the viewer reads them."""
    vertices = np.frombuffer(base64.b64decode(mesh["v"]), "<u2").reshape(-1, 3)
    triangles = np.frombuffer(base64.b64decode(mesh["t"]), "<u4" if mesh["wide"] else "<u2")
    return np.asarray(frame["low"]) + frame["step"] * vertices, triangles.reshape(-1, 3)


def describe_ball(view: View) -> dict[str, Any]:
    """The ball alone, at one level."""
    part = Part("#000000", crop_to_view(BALL, view), (0.5,))
    frame = frame_of_view(BOX, view, VOXEL, ORIGIN)
    return describe_layers([Layer("ball", "density", (part,))], frame)


def radii(described: dict[str, Any]) -> np.ndarray:
    """Distances of the vertices from where the ball's centre is in the map's frame."""
    vertices, triangles = unpack(
        described["layers"][0]["parts"][0]["meshes"][0], described["frame"]
    )
    assert triangles.max() < len(vertices)
    return np.asarray(np.linalg.norm(vertices - WHERE, axis=1))


@pytest.mark.parametrize("max_edge", [80, 31, 20])
def test_surface_lies_in_the_frame_of_the_map(
    max_edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cropped, resampled or neither, the ball's surface is where the map has it, in Å."""
    monkeypatch.setattr(surfaces, "MAX_SHOWN_EDGE", max_edge)
    described = describe_ball(View((0, 0, 0), 6, 44))
    np.testing.assert_allclose(radii(described), 18.0, atol=0.8)
    low, size = described["frame"]["low"], described["frame"]["size"]
    np.testing.assert_allclose(low, np.asarray(ORIGIN) + 6 * VOXEL, atol=2.2 * 48 / max_edge + 3)
    assert size == pytest.approx(38 * VOXEL, abs=20)


def test_too_large_surfaces_are_taken_from_a_coarser_grid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over the budget the same surface comes with fewer vertices, still in its place."""
    fine = describe_ball(View((0, 0, 0), 0, BOX))
    n_bytes = sum(len(fine["layers"][0]["parts"][0]["meshes"][0][key]) for key in "vt")
    monkeypatch.setattr(surfaces, "MESH_BYTES_BUDGET", n_bytes // 2)
    coarse = describe_ball(View((0, 0, 0), 0, BOX))
    assert (
        sum(len(coarse["layers"][0]["parts"][0]["meshes"][0][key]) for key in "vt") < n_bytes / 2
    )
    np.testing.assert_allclose(radii(coarse), 18.0, atol=1.5)


def test_layers_of_a_run(build_run: Build) -> None:
    """Classes in their colours, differences in two, consensus and mask; one class and the mask
    are shown at first; the levels rise and lie within what the maps hold."""
    maps = read_maps(read_results(build_run(n_classes=3, left_out=("class002.mrc",))))
    density, difference = density_levels(maps), difference_levels(maps)
    layers = compose_layers(maps, density, difference)
    assert [layer.name for layer in layers] == [
        "Class 1",
        "Class 3",
        "Class 1 − consensus",
        "Class 3 − consensus",
        "Consensus",
        "Focus mask",
    ]
    assert [layer.name for layer in layers if layer.is_shown] == ["Class 1", "Focus mask"]
    assert list(density) == sorted(density)
    assert maps.mean < density[0] < density[-1] < maps.consensus.cube.max()
    assert 0 < difference[0] < difference[-1] < maps.differences[1].cube.max()
    described = describe_layers(layers, maps.frame)
    shifted = density_levels(replace(maps, mean=maps.mean - 9.0))
    assert list(shifted) == sorted(shifted)
    assert all(mesh["v"] for layer in described["layers"] for mesh in layer["parts"][0]["meshes"])
