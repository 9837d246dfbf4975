"""Planes through the focus, class by class, and what differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import Section
from cryofocus.report.drawing.slices import Planes, View
from cryofocus.report.drawing.surfaces import Point
from cryofocus.report.run import tables
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.shown_maps import ShownMaps

IMAGE_BYTES_BUDGET = 4_500_000
MAX_DOTS_PER_INCH = 220.0
MIN_DOTS_PER_INCH = 70.0
PLANE_NAMES = ("xy", "xz", "zy")
DIFFERENCE_COLOURS = "RdBu_r"
DENSITY_PERCENTILES = (1.0, 99.8)
DIFFERENCE_PERCENTILE = 99.5
SCALE_BAR_FRACTION = 0.25
GAP_INCHES = 0.05
MIDDLE_GAP_INCHES = 0.16
TITLE_INCHES = 0.26
PANEL_INCHES = (style.PAGE_WIDTH_INCHES - 4 * GAP_INCHES - MIDDLE_GAP_INCHES) / 6


@dataclass(frozen=True)
class MapImages:
    """Encoded rows of maps: the consensus, and each class that has a map."""

    consensus: str
    classes: dict[int, str]


@dataclass(frozen=True)
class MapScale:
    """What all map figures of a page share, so that colours can be compared between classes.

    ``mask`` and ``proposed`` are drawn in outline. ``darkest`` and ``brightest`` bound the grey
    scale; differences run from minus to plus ``largest_difference``, which ``difference_percent``
    gives in percent of ``brightest``.
    """

    voxel_size_angstrom: float
    origin_angstrom: Point
    view: View
    mask: Planes
    proposed: Planes | None
    darkest: float
    brightest: float
    largest_difference: float

    @property
    def difference_percent(self) -> float:
        """Ends of the difference colours in percent of the consensus' strongest density."""
        return 100.0 * self.largest_difference / self.brightest if self.brightest > 0 else 0.0

    @property
    def positions_angstrom(self) -> tuple[float, float, float]:
        """Where the planes xy, xz, zy cut the axes z, y, x, in the map's frame."""
        z, y, x = (
            low + position * self.voxel_size_angstrom
            for low, position in zip(reversed(self.origin_angstrom), self.view.centre, strict=True)
        )
        return z, y, x


def show_planes(results: RunResults, maps: ShownMaps) -> Section:
    """Show the planes of all maps."""
    content = {
        "classes": tables.class_rows(results) if results.job.classes_found else [],
        "maps": draw_rows(maps),
        "is_cut": maps.proposed is not None,
    }
    return Section("maps", "Slices through the focus region", "Slices", content)


def draw_rows(maps: ShownMaps) -> MapImages:
    """Draw the planes of all maps.

    Resolution is lowered for many classes, so that the page stays small.
    """
    scale = choose_scale(maps)
    resolution = MAX_DOTS_PER_INCH
    while True:
        images = _draw_rows(maps, scale, resolution)
        n_bytes = len(images.consensus) + sum(map(len, images.classes.values()))
        if n_bytes <= IMAGE_BYTES_BUDGET or resolution <= MIN_DOTS_PER_INCH:
            return images
        fitting = 0.95 * resolution * (IMAGE_BYTES_BUDGET / n_bytes) ** 0.5
        resolution = max(fitting, MIN_DOTS_PER_INCH)


def _draw_rows(maps: ShownMaps, scale: MapScale, resolution: float) -> MapImages:
    return MapImages(
        consensus=style.as_png(draw_consensus_row(maps, scale), resolution),
        classes={
            number: style.as_png(
                draw_class_row(shown.planes, maps.differences[number].planes, scale),
                resolution,
            )
            for number, shown in maps.classes.items()
        },
    )


def choose_scale(maps: ShownMaps) -> MapScale:
    """Choose grey and colour ranges once for all rows.

    Returns:
        Ranges by percentile, so that single hot voxels do not wash out the rest; the difference
            range is taken inside the mask, where classes may differ.
    """
    values = np.concatenate([plane.ravel() for plane in maps.consensus.planes])
    darkest, brightest = (float(v) for v in np.percentile(values, DENSITY_PERCENTILES))
    inside = [
        np.abs(plane[outline > 0.5])
        for difference in maps.differences.values()
        for plane, outline in zip(difference.planes, maps.mask.planes, strict=True)
    ]
    magnitudes = np.concatenate([*inside, np.zeros(1)])
    largest = float(np.percentile(magnitudes, DIFFERENCE_PERCENTILE))
    tiny = float(np.finfo(np.float32).tiny)
    return MapScale(
        voxel_size_angstrom=maps.voxel_size_angstrom,
        origin_angstrom=maps.origin_angstrom,
        view=maps.view,
        mask=maps.mask.planes,
        proposed=None if maps.proposed is None else maps.proposed.planes,
        darkest=darkest,
        brightest=max(brightest, darkest + tiny),
        largest_difference=max(largest, tiny),
    )


def draw_consensus_row(maps: ShownMaps, scale: MapScale) -> Figure:
    """Draw the consensus and, beside it, the legend of all rows."""
    figure, axes = _new_row(TITLE_INCHES)
    for panel, plane, name, position in zip(
        axes[:3], maps.consensus.planes, PLANE_NAMES, scale.positions_angstrom, strict=True
    ):
        _draw_density(panel, plane, scale)
        _outline(panel, scale, name, style.MASK_COLOUR)
        third = ({"x", "y", "z"} - set(name)).pop()
        title = f"{name},  {third} = {position:.0f} Å"
        panel.set_title(title, fontsize=9, fontweight="normal", pad=5)
    _draw_scale_bar(axes[0], scale)
    for panel in axes[3:]:
        panel.set_axis_off()
    if maps.differences:
        _draw_legend(axes[4], scale)
    return figure


def draw_class_row(planes: Planes, differences: Planes, scale: MapScale) -> Figure:
    """Draw one class: three planes of its map, then of its difference to the consensus."""
    figure, axes = _new_row(0.0)
    for panel, plane, name in zip(axes[:3], planes, PLANE_NAMES, strict=True):
        _draw_density(panel, plane, scale)
        _outline(panel, scale, name, style.MASK_COLOUR)
        _label(panel, name, "white")
    for panel, plane, name in zip(axes[3:], differences, PLANE_NAMES, strict=True):
        _draw_difference(panel, plane, scale)
        _outline(panel, scale, name, style.INK)
        _label(panel, f"{name} difference", style.INK)
    return figure


def draw_gallery(maps: ShownMaps) -> Figure:
    """Draw three planes of the consensus and of every class, each row with its difference."""
    scale = choose_scale(maps)
    rows: list[tuple[str, Planes, Planes | None]] = [("consensus", maps.consensus.planes, None)]
    rows += [
        (f"class {number}", shown.planes, maps.differences[number].planes)
        for number, shown in maps.classes.items()
    ]
    figure = style.new_figure(PANEL_INCHES * len(rows) + TITLE_INCHES, gap=0.02)
    panels = figure.subplots(len(rows), 6, squeeze=False)
    for row, (name, planes, differences) in zip(panels, rows, strict=True):
        for panel in row:
            panel.grid(visible=False)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        for panel, plane, plane_name in zip(row[:3], planes, PLANE_NAMES, strict=True):
            _draw_density(panel, plane, scale)
            _outline(panel, scale, plane_name, style.MASK_COLOUR)
        for panel, plane, plane_name in zip(row[3:], differences or (), PLANE_NAMES, strict=False):
            _draw_difference(panel, plane, scale)
            _outline(panel, scale, plane_name, style.INK)
        row[0].set_ylabel(name)
    for panel, plane_name in zip(panels[0][:3], PLANE_NAMES, strict=True):
        panel.set_title(plane_name)
    if len(rows) > 1:
        panels[1][4].set_title("class minus consensus")
    return figure


def _draw_difference(panel: Axes, plane: Float[np.ndarray, "r c"], scale: MapScale) -> None:
    limit = scale.largest_difference
    panel.imshow(
        plane,
        cmap=DIFFERENCE_COLOURS,
        vmin=-limit,
        vmax=limit,
        origin="lower",
        interpolation="bicubic",
    )


def _new_row(title_inches: float) -> tuple[Figure, list[Axes]]:
    """Place six square panels in two groups of three, with room above for titles."""
    width, height = style.PAGE_WIDTH_INCHES, PANEL_INCHES + title_inches
    figure = Figure(figsize=(width, height))
    axes = []
    for column in range(6):
        gaps = column * GAP_INCHES + (MIDDLE_GAP_INCHES - GAP_INCHES) * (column > 2)
        left = column * PANEL_INCHES + gaps
        frame = (left / width, 0.0, PANEL_INCHES / width, PANEL_INCHES / height)
        panel = figure.add_axes(frame)
        panel.grid(visible=False)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
        axes.append(panel)
    return figure, axes


def _draw_density(panel: Axes, plane: Float[np.ndarray, "r c"], scale: MapScale) -> None:
    panel.imshow(
        plane,
        cmap="gray",
        vmin=scale.darkest,
        vmax=scale.brightest,
        origin="lower",
        interpolation="bicubic",
    )


def _outline(panel: Axes, scale: MapScale, name: str, colour: str) -> None:
    """Draw the edges of the mask, and dashed of a proposed one, where they cross the plane."""
    number = PLANE_NAMES.index(name)
    for masks, line in ((scale.mask, "solid"), (scale.proposed, "dashed")):
        if masks is not None and masks[number].min() < 0.5 < masks[number].max():
            panel.contour(
                masks[number], levels=[0.5], colors=[colour], linewidths=1.1, linestyles=line
            )


def _label(panel: Axes, text: str, colour: str) -> None:
    """Write into the lower left corner what a panel shows."""
    panel.annotate(
        text,
        (0.0, 0.0),
        (5, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        color=colour,
        fontsize=8,
    )


def _draw_scale_bar(panel: Axes, scale: MapScale) -> None:
    """Draw a bar of a round length in the lower left corner."""
    edge = scale.view.high - scale.view.low
    length = round_length(SCALE_BAR_FRACTION * edge * scale.voxel_size_angstrom)
    x, y = 0.05 * edge, 0.06 * edge
    end = x + length / scale.voxel_size_angstrom
    panel.plot([x, end], [y, y], color="white", linewidth=2.5, solid_capstyle="butt")
    panel.annotate(f"{length:g} Å", (x, y), (0, 4), textcoords="offset points", color="white")


def round_length(length: float) -> float:
    """Round a positive length down to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= length * 1.0001) * power)


def _draw_legend(panel: Axes, scale: MapScale) -> None:
    """Explain colours and outline where the consensus row has room."""
    bar = panel.inset_axes((-0.55, 0.42, 2.1, 0.1))
    ramp = np.linspace(-1.0, 1.0, 256)[None, :]
    percent = scale.difference_percent
    bar.imshow(ramp, cmap=DIFFERENCE_COLOURS, aspect="auto", extent=(-percent, percent, 0, 1))
    bar.grid(visible=False)
    bar.set_yticks([])
    bar.set_title("Class minus consensus", fontsize=10, loc="center", pad=8)
    bar.set_xlabel("% of the consensus’ strongest density", fontsize=9)
    bar.tick_params(labelsize=9)
    for x, side, text in ((-0.6, "right", "less"), (1.6, "left", "more")):
        panel.text(x, 0.47, text, fontsize=9, ha=side, va="center", transform=panel.transAxes)
