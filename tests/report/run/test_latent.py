"""The latent space in the report: whose coordinates are shown, and what of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import FormatError
from cryofocus.report.run.latent import chart_classes, read_latent, shares_between, show_latent
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]


def write_latent(directory: RunDirectory, folder: str, shape: tuple[int, int]) -> Path:
    """Write coordinates where `variance -o RUN/folder` puts them."""
    path = directory.path / folder / "latent.npy"
    path.parent.mkdir()
    np.save(path, np.random.default_rng(5).standard_normal(shape).astype(np.float32))
    return path


def separate(directory: RunDirectory, path: Path) -> None:
    """Let the last axis see the classes of a run."""
    latent = np.load(path)
    latent[:, -1] += 2 * read_results(directory).class_index
    np.save(path, latent)


def test_coordinates_of_these_particles_are_shown(build_run: Build) -> None:
    """Coordinates of other particles, and results without an axis, are passed over."""
    directory = build_run()
    assert show_latent(read_results(directory)) == ()
    write_latent(directory, "a", (599, 2))
    write_latent(directory, "b", (600, 0))
    assert show_latent(read_results(directory)) == ()
    path = write_latent(directory, "c", (600, 3))
    assert show_latent(read_results(directory)) == ()  # they do not see the classes
    separate(directory, path)
    latent = read_latent(read_results(directory))
    assert latent is not None
    np.testing.assert_array_equal(latent, np.load(path))
    (section,) = show_latent(read_results(directory))
    assert section.anchor == "latent"


def test_axes_that_see_the_classes_are_chosen() -> None:
    """Those along which classes differ most are drawn, under their own numbers."""
    latent = np.random.default_rng(7).standard_normal((600, 4)).astype(np.float32)
    classes = np.arange(600) % 2
    latent[:, 2] += 3 * classes
    latent[:, 1] += classes
    shares = shares_between(latent, classes)
    np.testing.assert_allclose(shares, [0, 0.2, 9 / 13, 0], atol=0.06)
    pair, along = chart_classes(latent, classes)
    assert pair.layout["xaxis"]["title"]["text"] == "axis 3"
    assert pair.layout["yaxis"]["title"]["text"] == "axis 2"
    assert along.title == "Classes along axis 3"
    latent[:, 1] -= classes
    pair, _ = chart_classes(latent, classes)
    assert pair.layout["yaxis"]["title"]["text"] == "axis 1"  # the strongest of the others


def test_every_particle_has_its_class_colour() -> None:
    """Points and counts are of all particles, in the colours and shapes of the classes."""
    latent = np.random.default_rng(6).standard_normal((500, 2)).astype(np.float32)
    classes = np.arange(500) % 3
    pair, along = chart_classes(latent, classes)
    names = ["class 1", "class 2", "class 3"]
    assert [trace["name"] for trace in pair.traces] == names
    assert sum(len(trace["x"]) for trace in pair.traces) == 500
    for look in ("color", "symbol"):
        assert len({trace["marker"][look] for trace in pair.traces}) == 3
    assert [trace["name"] for trace in along.traces] == names
    assert 490 <= sum(sum(trace["y"]) for trace in along.traces) <= 500
    assert along.traces[0]["line"] != along.traces[1]["line"]
    (alone,) = chart_classes(latent[:, :1], classes)
    assert alone.title == along.title


def test_damaged_coordinates_are_named(build_run: Build) -> None:
    """A file that is no array is named with what to do."""
    directory = build_run()
    write_latent(directory, "a", (600, 2)).write_bytes(b"nonsense")
    with pytest.raises(FormatError, match=r"a/latent\.npy: missing or damaged .*Measure it again"):
        read_latent(read_results(directory))
