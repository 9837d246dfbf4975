"""A run on one sheet, as PDF: what RELION's Display shows of an External job."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cryofocus.data.atomic import atomic_file
from cryofocus.data.volume import read_volume
from cryofocus.formatting import format_count, visible
from cryofocus.report.drawing.slices import Planes, choose_view, cut
from cryofocus.report.drawing.style import MASK_COLOUR
from cryofocus.report.figures.style import drawing
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.workflows.run.directory import RunDirectory

PAGE_INCHES = (8.27, 11.69)
WIDTH_CHARACTERS, N_COLUMNS, MOST_CLASSES = 88, 3, 11
TEXT_INCHES, PANEL_INCHES = 4.2, 2.4


def write_logfile(directory: RunDirectory, path: Path) -> Path:
    """Write the sheet of a finished run.

    Args:
        directory: The run.
        path: PDF to write; replaced atomically, the same bytes for the same run.

    Raises:
        FormatError: When the run is unfinished or a file of it is damaged.
        OutputError: Disk full, no permission.
    """
    results = read_results(directory)
    with drawing(), atomic_file(path) as handle:
        metadata = {"Title": visible(str(directory.path)), "CreationDate": None}
        draw_sheet(results).savefig(handle, format="pdf", metadata=metadata)
    return path


def draw_sheet(results: RunResults) -> Figure:
    """Draw verdict, classes and what was noticed, above a plane through each map."""
    directory = results.directory
    maps = {"all particles": directory.consensus}
    maps |= {
        f"class {number}": directory.class_map(number)
        for number in results.own_classes[:MOST_CLASSES]
    }
    n_rows = -(-len(maps) // N_COLUMNS)
    height = TEXT_INCHES + n_rows * PANEL_INCHES
    figure = Figure(figsize=(PAGE_INCHES[0], max(height, PAGE_INCHES[1])))
    edge = 1 - TEXT_INCHES / figure.get_figheight()
    figure.text(0.06, 0.97, _words(results), va="top", family="monospace", fontsize=7.5)
    consensus, mask = (read_volume(p).data for p in (directory.consensus, directory.focus_mask))
    view = choose_view(consensus, mask)
    planes = {name: cut(read_volume(path).data, view) for name, path in maps.items()}
    shown = _telling_plane(list(planes.values()))
    outline = cut(mask, view)[shown]
    brightest = float(cut(consensus, view)[shown].max()) or 1.0
    step = PANEL_INCHES / figure.get_figheight()
    for place, (name, cuts) in enumerate(planes.items()):
        row, column = divmod(place, N_COLUMNS)
        left = 0.06 + column * 0.31
        panel = figure.add_axes((left, edge - (row + 1) * step, 0.28, step - 0.03))
        panel.imshow(
            cuts[shown],
            cmap="gray",
            origin="lower",
            vmin=0.0,
            vmax=brightest,
        )
        panel.contour(outline, levels=[0.5], colors=[MASK_COLOUR], linewidths=1.0)
        panel.set_title(name, fontsize=8, pad=3)
        panel.set_axis_off()
    return figure


def _telling_plane(planes: Sequence[Planes]) -> int:
    """Choose the plane through the region in which maps differ most from the first."""
    differences = [
        sum(float(np.square(other[k] - planes[0][k]).sum()) for other in planes[1:])
        for k in range(3)
    ]
    return int(np.argmax(differences))


def _words(results: RunResults) -> str:
    """Compose the text of the sheet."""
    job = results.job
    lines = [f"cryofocus classify: {results.directory.path}", ""]
    lines += [*textwrap.wrap(job.verdict, WIDTH_CHARACTERS), ""]
    lines += [f"{'class':>5} {'particles':>10} {'weight':>8} {'mean posterior':>15}"]
    index = results.class_index
    for entry in results.classes[:MOST_CLASSES]:
        own = index == entry.class_number - 1
        mean = float(results.max_posterior[own].mean()) if own.any() else 0.0
        lines.append(
            f"{entry.class_number:>5} {format_count(int(own.sum())):>10} "
            f"{100 * entry.weight:>6.1f} % {mean:>15.2f}"
        )
    lines.append("")
    for finding in job.findings:
        lines += textwrap.wrap(f"- {finding.text}", WIDTH_CHARACTERS, subsequent_indent="  ")
    lines += ["", f"The report: {results.directory.report}"]
    return "\n".join(map(visible, lines))
