"""Maps for the viewer: in their place, with the values they have, within what a page may hold."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cryofocus.maths.masks import sphere_mask
from cryofocus.report.drawing import surfaces
from cryofocus.report.drawing.slices import View
from cryofocus.report.drawing.surfaces import (
    MASK_RANGE,
    Layer,
    Range,
    crop_to_view,
    describe_layers,
    frame_of_view,
    to_bytes,
    without_dust,
)
from cryofocus.report.run.results import read_results
from cryofocus.report.run.shown_maps import read_maps
from cryofocus.report.run.surface_section import (
    compose_layers,
    density_range,
    difference_range,
)
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]

BOX, VOXEL, ORIGIN = 48, 3.0, (10.0, -20.0, 5.0)
CENTRE = (9.0, -12.0, 15.0)
BALL = sphere_mask(BOX, VOXEL, CENTRE, 12.0, 12.0)
WHERE = np.asarray(ORIGIN) + BOX // 2 * VOXEL + CENTRE


def unpack(described: dict[str, Any], number: int = 0) -> np.ndarray:
    """Give the bytes of a map, as the viewer reads them."""
    text = zlib.decompress(base64.b64decode(described["volumes"][number]))
    edge = described["frame"]["edge"]
    return np.frombuffer(text, np.uint8).reshape(edge, edge, edge)


def describe_ball(view: View) -> dict[str, Any]:
    """The ball alone."""
    layer = Layer("ball", "mask", ("#000000",), crop_to_view(BALL, view))
    frame = frame_of_view(BOX, view, VOXEL, ORIGIN)
    return describe_layers([layer], {"mask": MASK_RANGE}, frame)


def middle(described: dict[str, Any]) -> np.ndarray:
    """Centre of mass of the ball in the map's frame, x, y, z in Å."""
    weights = unpack(described).astype(float)
    places = np.indices(weights.shape).reshape(3, -1)[::-1]
    centre = places @ weights.ravel() / weights.sum()
    return np.asarray(described["frame"]["low"] + described["frame"]["voxel"] * centre)


@pytest.mark.parametrize("max_edge", [80, 31, 20])
def test_maps_lie_in_the_frame_of_the_run(max_edge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cropped, resampled or neither, the ball is where the map has it, in Å, and as large."""
    monkeypatch.setattr(surfaces, "MAX_SHOWN_EDGE", max_edge)
    described = describe_ball(View((0, 0, 0), 6, 44))
    np.testing.assert_allclose(middle(described), WHERE, atol=0.5)
    volume = unpack(described).sum() / 255 * described["frame"]["voxel"] ** 3
    assert volume == pytest.approx(BALL.sum() * VOXEL**3, rel=0.02)
    np.testing.assert_allclose(
        described["frame"]["low"], np.asarray(ORIGIN) + 6 * VOXEL, atol=2.2 * 48 / max_edge + 3
    )


def test_too_large_maps_come_on_a_coarser_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the budget the same map has fewer voxels, still in its place."""
    fine = describe_ball(View((0, 0, 0), 0, BOX))
    budget = len(fine["volumes"][0]) * 3 // 4
    monkeypatch.setattr(surfaces, "VOLUME_BYTES_BUDGET", budget)
    coarse = describe_ball(View((0, 0, 0), 0, BOX))
    assert len(coarse["volumes"][0]) <= budget
    np.testing.assert_allclose(middle(coarse), WHERE, atol=0.8)


def test_bytes_are_the_values() -> None:
    """A density is told to a step of 256; a difference keeps its sign, small ones are none."""
    values = np.linspace(-2, 2, 27, dtype=np.float32).reshape(3, 3, 3)
    density = to_bytes(values, Range(-1.0, 1.0, 0, 1, 1), is_signed=False)
    np.testing.assert_allclose(density / 255 * 2 - 1, np.clip(values, -1, 1), atol=1 / 255 + 1e-6)
    difference = to_bytes(values, Range(-2.0, 2.0, 0, 1, 1), is_signed=True).astype(int)
    large = np.abs(values) > 0.15
    np.testing.assert_allclose((difference / 127 - 1)[large], values[large] / 2, atol=0.5 / 127)
    assert set(difference[np.abs(values) < 0.1].tolist()) == {127}


def test_dust_is_hidden_and_the_rest_stays() -> None:
    """A piece of two voxels goes; a ball keeps every voxel, and so does the input."""
    density = sphere_mask(24, 2.0, (6.0, -4.0, 0.0), 10.0, 0.0)
    density[1, 1, 1:3] = 3.0
    before = density.copy()
    shown = without_dust(density, 0.5)
    np.testing.assert_array_equal(density, before)
    assert (shown > 0.5).sum() == (density > 0.5).sum() - 2


def test_layers_of_a_run(build_run: Build) -> None:
    """Classes in their colours, differences in two, also as paint; one class and the mask are
    shown at first; levels lie within what the maps hold, and each map is in the page once."""
    maps = read_maps(read_results(build_run(n_classes=3, left_out=("class002.mrc",))))
    layers = compose_layers(maps)
    assert [layer.name for layer in layers] == [
        "Class 1",
        "Class 3",
        "Class 1 − consensus",
        "Class 3 − consensus",
        "Class 1 painted",
        "Class 3 painted",
        "Consensus",
        "Focus mask",
    ]
    assert [layer.name for layer in layers if layer.is_shown] == ["Class 1", "Focus mask"]
    density, difference = density_range(maps), difference_range(maps)
    for one in (density, difference):
        assert one.first < one.start < one.last < one.high
    assert maps.mean < density.low < density.first
    assert difference.last < maps.differences[1].cube.max()
    ranges: dict[Any, Range] = {"density": density, "difference": difference, "mask": MASK_RANGE}
    described = describe_layers(layers, ranges, maps.frame)
    assert len(described["volumes"]) == 6
    painted = described["layers"][4]
    assert painted["volume"] == described["layers"][6]["volume"]
    assert painted["paint"] == described["layers"][2]["volume"]


def test_run_without_classes_shows_the_consensus(build_run: Build) -> None:
    """Where no classes were found there are only the map of all particles and the mask."""
    maps = read_maps(read_results(build_run(classes_found=False)))
    shown = [(layer.name, layer.is_shown) for layer in compose_layers(maps)]
    assert shown == [("Consensus", True), ("Focus mask", True)]
