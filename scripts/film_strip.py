"""Draw what the demo found: film-strip.png, from table to report, and demo-maps.png, its maps.

Both go into docs/images.

Usage: ``scripts/demo``, then ``python scripts/film_strip.py [demo]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import cryofocus
from cryofocus.data.star.document import StarDocument
from cryofocus.report.drawing.style import CLASS_COLOURS

IMAGES = Path(__file__).parents[1] / "docs" / "images"
INK, ACCENT = "#1f2933", "#c2410c"
SHOWN_ROWS, SHOWN_IMAGES = 6, 9
SIZE_INCHES, DOTS_PER_INCH = (14.0, 2.5), 110


def draw(folder: Path) -> Figure:
    """Draw the strip of a demo: table, images, consensus, classes, difference, table."""
    run = cryofocus.open_run(folder / "run")
    particles = cryofocus.ParticleSet.read(folder / "data" / "particles.star")
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots(1, 7, width_ratios=(1, 1, 1, 1, 1, 1, 1))
    _table(
        axes[0], folder / "data/particles.star", ("rlnImageName", "rlnAngleRot"), ("image", "rot")
    )
    axes[0].set_title("1  your particle table")
    images = cryofocus.ImageReader(particles).read(np.arange(SHOWN_IMAGES))
    edge = round(SHOWN_IMAGES**0.5)
    rows = images.reshape(edge, edge, *images.shape[1:]).transpose(0, 2, 1, 3)
    axes[1].imshow(rows.reshape(edge * images.shape[1], -1), cmap="gray")
    axes[1].set_title("2  its images")
    consensus = cryofocus.read_volume(folder / "run/consensus.mrc")
    maps = [consensus.data, *(volume.data for volume in run.maps)]
    x, y, z, radius = _sphere(folder, consensus.voxel_size_angstrom, consensus.origin_angstrom)
    slices = [volume[:, round(y)] for volume in maps]
    top = float(max(np.percentile(one, 99.7) for one in slices))
    shares = np.bincount(run.labels, minlength=2) / len(run.labels)
    titles = ("3  all, and where to look", "4  class 1", "5  class 2")
    for axis, one, title in zip(axes[2:5], slices, titles, strict=True):
        axis.imshow(one, cmap="gray", origin="lower", vmin=0, vmax=top)
        axis.set_title(title)
    for axis, share, colour in zip(axes[3:5], shares, CLASS_COLOURS[:2], strict=True):
        axis.set_xlabel(f"{100 * share:.0f} %", color=colour, weight="bold")
    difference = slices[2] - slices[1]
    bound = float(np.abs(difference).max())
    axes[5].imshow(difference, cmap="RdBu_r", origin="lower", vmin=-bound, vmax=bound)
    axes[5].set_title("6  what differs")
    for axis in (axes[2], axes[5]):
        axis.add_patch(Circle((x, z), radius, fill=False, color=ACCENT, linewidth=1.5))
    labels = ("rlnImageName", "rlnClassNumber", "rlnMaxValueProbDistribution")
    _table(axes[6], folder / "run/particles.star", labels, ("image", "class", "probability"))
    axes[6].set_title("7  your table, with classes")
    for axis in axes:
        axis.set_box_aspect(1)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.title.set_fontsize(9)
        axis.title.set_color(INK)
    return figure


def _sphere(
    folder: Path, voxel: float, origin: tuple[float, float, float]
) -> tuple[float, float, float, float]:
    """Give centre and radius of the region in voxels."""
    words = (folder / "run/command.txt").read_text(encoding="utf-8").split("--focus")[1]
    numbers = [float(text) for text in words.strip("= ").split()[0].split(",")]
    x, y, z = ((c - o) / voxel for c, o in zip(numbers, origin, strict=False))
    return x, y, z, numbers[3] / voxel


def _table(axis: Axes, path: Path, labels: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Write some rows of a table."""
    document = StarDocument.read(path)
    block = document.block("particles")
    columns = document.texts(block, list(labels))
    rows = [
        [columns[label][row].split("@")[0][:8] for label in labels] for row in range(SHOWN_ROWS)
    ]
    shown = axis.table(cellText=[*rows, ["..."] * len(labels)], colLabels=names, bbox=(0, 0, 1, 1))
    shown.auto_set_font_size(value=False)
    shown.set_fontsize(8)
    for cell in shown.get_celld().values():
        cell.set_edgecolor("#cbd2d9")
        cell.get_text().set_color(INK)
    axis.axis("off")


def main() -> None:
    """Draw the pictures of the demo in a folder."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    figures = {
        "film-strip.png": draw(folder),
        "demo-maps.png": cryofocus.open_run(folder / "run").plot_classes(),
    }
    for name, figure in figures.items():
        figure.savefig(IMAGES / name, dpi=DOTS_PER_INCH, metadata={"Software": None})
        print(IMAGES / name)


if __name__ == "__main__":
    main()
