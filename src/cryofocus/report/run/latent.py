"""Where the classes lie among the coordinates that a variance analysis gave the particles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from cryofocus.report.analyses.page import ChartRow
from cryofocus.report.drawing.chart import Chart, axis, chart_scripts, class_line, marks
from cryofocus.report.drawing.section import Section
from cryofocus.report.drawing.style import class_colour
from cryofocus.report.run.results import RunResults
from cryofocus.workflows.run.reading import explain_damage, map_array
from cryofocus.workflows.variance.result import LATENT, MEASURE_AGAIN

HEIGHT = 400
MAX_POINTS = 4000
N_BINS = 60
RANGE_PERCENTILES = (0.2, 99.8)
# Shapes tell classes apart where colours do not.
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "pentagon")
NOTE = (
    "Coordinates of the particles along the axes of variation that cryofocus variance found, by "
    "most probable class. Separate clouds are states; one cloud merely divided by the classes is "
    "continuous motion, or noise."
)


def show_latent(results: RunResults) -> tuple[Section, ...]:
    """Show the classes in the latent space, if `variance` wrote one into the run's directory.

    Raises:
        FormatError: When the file of coordinates is damaged.
    """
    latent = read_latent(results)
    if latent is None:
        return ()
    content = {"row": ChartRow(chart_classes(latent, results.class_index), NOTE)}
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


def chart_classes(
    latent: Float32[np.ndarray, "n q"], class_index: np.ndarray
) -> tuple[Chart, ...]:
    """Show the particles on the first two axes and, beside it, each class along the first.

    Args:
        latent: Coordinates, the axis that holds most of the variance first.
        class_index: Most probable class of each particle, from 0.
    """
    classes = range(int(class_index.max()) + 1)
    low, high = np.percentile(latent, RANGE_PERCENTILES, axis=0)
    edges = np.linspace(low[0], high[0], N_BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    curves = [
        class_line(middles, np.histogram(latent[class_index == k, 0], edges)[0], k + 1)
        for k in classes
    ]
    layout = {"xaxis": axis("axis 1"), "yaxis": axis("particles"), "height": HEIGHT}
    text = "number of particles by coordinate, a line for each class"
    along = Chart("Classes along axis 1", text, (*curves,), layout)
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
    layout = {"xaxis": axis("axis 1", **ranges[0]), "yaxis": axis("axis 2", **ranges[1])}
    text = "particles by axis 1 and axis 2, in colours and shapes by class"
    return Chart("Particles", text, (*clouds,), layout | {"height": HEIGHT}), along
