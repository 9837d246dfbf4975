"""Figures: what they show is what the run says, without touching anybody's matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest

from cryofocus.report.drawing import style
from cryofocus.report.figures.certainty import draw_certainty
from cryofocus.report.figures.plotting import plotting
from cryofocus.report.run import planes
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]

# Machado, Oliveira & Fernandes (2009), severity 1: how linear RGB reaches the eye.
DEUTERANOPIA = ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969))
PROTANOPIA = ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052))


def lightness_and_colour(colour: str, eye: np.ndarray) -> np.ndarray:
    """Give CIE L*a*b* of a colour as an eye sees it."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.clip(eye @ np.where(channels < 0.04, channels / 12.92, channels**2.2), 0, 1)
    to_xyz = np.array([(0.412, 0.358, 0.180), (0.213, 0.715, 0.072), (0.019, 0.119, 0.950)])
    x, y, z = np.cbrt(to_xyz @ linear / (0.950, 1.0, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", [np.eye(3), np.array(DEUTERANOPIA), np.array(PROTANOPIA)])
def test_class_colours_differ_for_every_eye(eye: np.ndarray) -> None:
    """Any two of the class colours are well apart, with common and with red-green blind vision."""
    seen = [lightness_and_colour(colour, eye) for colour in style.CLASS_COLOURS]
    distances = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 10.0


def test_look_never_repeats_for_forty_classes() -> None:
    """Colour and line style together tell forty classes apart."""
    looks = {(style.class_colour(k), style.line_style(k)) for k in range(1, 41)}
    assert len(looks) == 40


def test_drawing_gives_the_settings_back(build_run: Build) -> None:
    """The user's matplotlib settings are the same after a figure was drawn."""
    before = dict(mpl.rcParams)
    with plotting("plot_posteriors"):
        draw_certainty(read_results(build_run()))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("length", "rounded"), [(1.0, 1.0), (4.9, 2.0), (5.0, 5.0), (73.0, 50.0), (0.03, 0.02)]
)
def test_scale_bars_have_round_lengths(length: float, rounded: float) -> None:
    """A scale bar is 1, 2 or 5 times a power of ten and never longer than asked."""
    assert planes.round_length(length) == pytest.approx(rounded)
