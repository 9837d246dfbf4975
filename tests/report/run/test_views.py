"""Orientation distributions: who is counted where, and when classes depend on the view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryofocus.data.star.document import write_star
from cryofocus.maths.rotations import random_rotations
from cryofocus.report.drawing.sheet import Image, Text
from cryofocus.report.run.results import read_results
from cryofocus.report.run.views import count_views, draw_views, read_directions, show_views
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]

N = 4000


def random_directions() -> np.ndarray:
    """Directions from anywhere on the sphere."""
    return np.asarray(random_rotations(N, np.random.default_rng(3))[:, 2, :])


def test_views_of_all_directions_are_even() -> None:
    """Bins are of equal area, every particle is counted once, and chance makes no dependence."""
    posteriors = np.random.default_rng(4).dirichlet((1, 2), N)
    views = count_views(random_directions(), posteriors)
    total = views.counts.sum(axis=0)
    assert views.counts.sum(axis=(1, 2)) == pytest.approx(posteriors.sum(axis=0))
    assert total.std() < 2 * np.sqrt(total.mean())
    assert views.dependence < 0.05


def test_classes_of_views_are_found_out() -> None:
    """Classes that hold one side of the sphere each depend on the view completely."""
    directions = random_directions()
    is_right = directions[:, 0] > 0
    views = count_views(directions, np.stack([is_right, ~is_right], axis=1).astype(float))
    assert views.dependence > 0.8
    pictures = [mark for mark in draw_views(views).marks if isinstance(mark, Image)]
    assert len(pictures) == 3 + 2  # all, each class, and two legends
    assert len({(one.x, one.y) for one in pictures}) == len(pictures)


def test_few_particles_have_no_empty_pictures_of_classes() -> None:
    """Where no view holds enough particles to compare classes, only all are drawn."""
    views = count_views(random_directions()[:150], np.full((150, 2), 0.5))
    assert not views.has_classes
    pictures = [mark for mark in draw_views(views).marks if isinstance(mark, Image)]
    assert len(pictures) == 1 + 1  # all, and a legend


def test_classes_without_particles_are_seen_from_nowhere() -> None:
    """A class that gave its particles to another has no map of views; the others keep names."""
    posteriors = np.insert(np.random.default_rng(4).dirichlet((1, 2), N), 1, 0.0, axis=1)
    sheet = draw_views(count_views(random_directions(), posteriors))
    titles = [mark.words for mark in sheet.marks if isinstance(mark, Text)]
    assert [title for title in titles if title.startswith("Class")] == ["Class 1", "Class 3"]


def test_longitude_and_latitude_are_those_of_rot_and_tilt() -> None:
    """A direction with rot 80 and tilt 30 degrees falls into their bin."""
    rot, tilt = np.radians(80), np.radians(30)
    direction = (np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt))
    views = count_views(np.tile(direction, (N, 1)), np.ones((N, 1)))
    ((_, latitude, longitude),) = np.argwhere(views.counts > 0)
    assert views.longitude[longitude] < rot < views.longitude[longitude + 1]
    assert views.latitude[latitude] < np.pi / 2 - tilt < views.latitude[latitude + 1]


def test_section_needs_a_table_of_the_run(build_run: Build) -> None:
    """Without a table, or with one of other length, the section is left out; else it is there."""
    directory = build_run()
    assert show_views(read_results(directory)) == ()
    for n_rows in (599, 600):
        write_particles(directory, n_rows)
        directions = read_directions(read_results(directory))
        assert (directions is None) == (n_rows != 600)
    assert directions is not None
    np.testing.assert_allclose(directions[0], (0, 1, 0), atol=1e-6)
    (section,) = show_views(read_results(directory))
    assert section.anchor == "views"


def write_particles(directory: RunDirectory, n_rows: int) -> None:
    """Write a RELION table whose particles are seen with rot and tilt of 90 degrees."""
    optics = {
        "rlnOpticsGroup": [1],
        "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.1],
        "rlnImagePixelSize": [4.0],
        "rlnImageSize": [32],
    }
    rows = {
        "rlnImageName": [f"{n + 1:06d}@stack.mrcs" for n in range(n_rows)],
        "rlnAngleRot": [90.0] * n_rows,
        "rlnAngleTilt": [90.0] * n_rows,
        "rlnAnglePsi": [10.0] * n_rows,
        "rlnOriginXAngst": [0.0] * n_rows,
        "rlnOriginYAngst": [0.0] * n_rows,
        "rlnDefocusU": [15000.0] * n_rows,
        "rlnDefocusV": [15000.0] * n_rows,
        "rlnDefocusAngle": [0.0] * n_rows,
        "rlnOpticsGroup": [1] * n_rows,
    }
    write_star(directory.particles_as(".star"), {"optics": optics, "particles": rows})
