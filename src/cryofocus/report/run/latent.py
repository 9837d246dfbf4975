"""Where the classes lie among the coordinates that a variance analysis gave the particles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import Section
from cryofocus.report.run.results import RunResults
from cryofocus.workflows.run.reading import explain_damage, map_array
from cryofocus.workflows.variance.result import LATENT, MEASURE_AGAIN

HEIGHT_INCHES = 4.2
MAX_POINTS = 6000
N_BINS = 60
RANGE_PERCENTILES = (0.2, 99.8)


def show_latent(results: RunResults) -> tuple[Section, ...]:
    """Show the classes in the latent space, if `variance` wrote one into the run's directory.

    Raises:
        FormatError: When the file of coordinates is damaged.
    """
    latent = read_latent(results)
    if latent is None:
        return ()
    content = {"figure": style.as_png(draw_latent(latent, results.class_index), 130)}
    return (Section("latent", "Classes in the latent space", "Latent space", content),)


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


def draw_latent(latent: Float32[np.ndarray, "n q"], class_index: np.ndarray) -> Figure:
    """Draw the particles on the first two axes and, beside it, each class along the first.

    Args:
        latent: Coordinates, the axis that holds most of the variance first.
        class_index: Most probable class of each particle, from 0.
    """
    figure = style.new_figure(HEIGHT_INCHES, gap=0.08)
    n_classes = int(class_index.max()) + 1
    looks = [(k, style.class_colour(k + 1), f"class {k + 1}") for k in range(n_classes)]
    if latent.shape[1] > 1:
        pair, along = figure.subplots(1, 2)
        # Points of all classes mixed, so that none lies on top.
        chosen = np.arange(0, len(latent), -(-len(latent) // MAX_POINTS))
        colours = [looks[k][1] for k in class_index[chosen]]
        pair.scatter(*latent[chosen, :2].T, c=colours, s=4, linewidths=0, alpha=0.6)
        pair.set(title="Particles", xlabel="axis 1", ylabel="axis 2")
        _set_range(pair, latent)
    else:
        along = figure.subplots()
    low, high = np.percentile(latent[:, 0], RANGE_PERCENTILES)
    edges = np.linspace(low, high, N_BINS + 1)
    for k, colour, name in looks:
        own = latent[class_index == k, 0]
        heights, _ = np.histogram(own, edges)
        along.stairs(heights, edges, color=colour, linewidth=1.6, label=name)
    along.set(title="Classes along axis 1", xlabel="axis 1", ylabel="particles")
    along.legend(ncols=-(-n_classes // 8))
    return figure


def _set_range(panel: Axes, latent: Float32[np.ndarray, "n q"]) -> None:
    """Leave a few stray particles out of the picture."""
    low, high = np.percentile(latent[:, :2], RANGE_PERCENTILES, axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-30)
    panel.set_xlim(low[0] - margin[0], high[0] + margin[0])
    panel.set_ylim(low[1] - margin[1], high[1] + margin[1])
