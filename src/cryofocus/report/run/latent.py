"""Where the classes lie among the coordinates that a variance analysis gave the particles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.report.analyses.page import ChartRow
from cryofocus.report.drawing.chart import Chart, axis, chart_scripts, class_line, marks
from cryofocus.report.drawing.section import Section
from cryofocus.report.drawing.style import class_colour
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import unit
from cryofocus.workflows.run.reading import explain_damage, map_array
from cryofocus.workflows.variance.result import LATENT, MEASURE_AGAIN

HEIGHT = 400
MAX_POINTS = 4000
N_BINS = 60
RANGE_PERCENTILES = (0.2, 99.8)
# Shapes tell classes apart where colours do not.
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "pentagon")
# Axes see the classes from this share of the coordinates' spread between classes on.
SEEN = 0.05
NOTE = (
    "Coordinates of the {} along the axes of variation that cryofocus variance found, by "
    "most probable class; of all axes, those along which the classes differ most, or the "
    "strongest. Separate clouds are states. A single cloud does not speak against classes: these "
    "coordinates are of one image each, and coarser than what the classes were compared by."
)


def show_latent(results: RunResults) -> tuple[Section, ...]:
    """Show the classes in the latent space, if `variance` wrote one into the run's directory.

    Raises:
        FormatError: When the file of coordinates is damaged.
    """
    latent = read_latent(results)
    if latent is None:
        return ()
    latent = latent[results.counted]
    shares = shares_between(latent, results.class_index)
    if not results.job.classes_found or shares.max() < SEEN:
        return ()  # they are about something else
    counted = unit(results.job)
    row = ChartRow(chart_classes(latent, results.class_index, counted), NOTE.format(counted))
    content = {"row": row}
    title = "Classes in the latent space"
    return (Section("latent", title, "Latent space", content, chart_scripts()),)


def read_latent(results: RunResults) -> Float32[np.ndarray, "n q"] | None:
    """Read coordinates of the run's particles from a directory inside the run's.

    Returns:
        None when there are none of these particles.

    Raises:
        FormatError: When a file is damaged.
    """
    for path in sorted(results.directory.path.glob(f"*/{LATENT}")):
        with explain_damage(path, MEASURE_AGAIN):
            latent = map_array(path)
        if latent.ndim == 2 and len(latent) == results.job.n_particles and latent.shape[1]:
            return np.asarray(latent, np.float32)
    return None


def shares_between(
    latent: Float32[np.ndarray, "n q"], class_index: np.ndarray
) -> Float64[np.ndarray, " q"]:
    """Return the share of the variance along each axis that lies between classes (eta squared)."""
    centred = latent - latent.mean(axis=0, dtype=np.float64)
    filled, index = np.unique(class_index, return_inverse=True)
    counts = np.bincount(index)
    means = np.stack([centred[index == k].mean(axis=0) for k in range(len(filled))])
    between = (counts[:, None] * means**2).sum(axis=0) / len(latent)
    return np.asarray(between / np.maximum((centred**2).mean(axis=0), np.finfo(np.float64).tiny))


def chart_classes(
    latent: Float32[np.ndarray, "n q"], class_index: np.ndarray, counted: str = "particles"
) -> tuple[Chart, ...]:
    """Show the particles on two axes and, beside it, each class along the first of them.

    These are the axes along which the classes differ most; if only along one, then the strongest.

    Args:
        latent: Coordinates.
        class_index: Most probable class of each particle, from 0.
        counted: What the rows are.
    """
    shares = shares_between(latent, class_index)
    # Axes that do not see the classes stay in their order: the first vary more than noise.
    chosen_axes = np.argsort(-np.where(shares < SEEN, 0, shares), kind="stable")[:2]
    names = [f"axis {k + 1}" for k in chosen_axes]
    latent = latent[:, chosen_axes]
    classes = range(int(class_index.max()) + 1)
    low, high = np.percentile(latent, RANGE_PERCENTILES, axis=0)
    edges = np.linspace(low[0], high[0], N_BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    curves = [
        class_line(middles, np.histogram(latent[class_index == k, 0], edges)[0], k + 1)
        for k in classes
    ]
    layout = {"xaxis": axis(names[0]), "yaxis": axis(counted), "height": HEIGHT}
    text = f"number of {counted} by coordinate, a line for each class"
    along = Chart(f"Classes along {names[0]}", text, (*curves,), layout)
    if latent.shape[1] < 2:
        return (along,)
    margin = 0.05 * np.maximum(high - low, 1e-30)
    # A few stray particles stay outside.
    ranges = [
        {"range": [float(a), float(b)]} for a, b in zip(low - margin, high + margin, strict=True)
    ]
    chosen = np.arange(0, len(latent), -(-len(latent) // MAX_POINTS))
    clouds = []
    for k in classes:
        own = chosen[class_index[chosen] == k]
        look = {"size": 4, "opacity": 0.6, "color": class_colour(k + 1), "symbol": SYMBOLS[k % 8]}
        clouds.append(marks(latent[own, 0], latent[own, 1], f"class {k + 1}", marker=look))
    layout = {"xaxis": axis(names[0], **ranges[0]), "yaxis": axis(names[1], **ranges[1])}
    text = f"{counted} by {names[0]} and {names[1]}, in colours and shapes by class"
    return Chart(counted.capitalize(), text, (*clouds,), layout | {"height": HEIGHT}), along
