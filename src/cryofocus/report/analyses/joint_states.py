"""Joint states of regions on the page of `covary`: their table, and the path of assembly."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from cryofocus.report.drawing import style
from cryofocus.workflows.covary.record import JointLevel

PATH_HEIGHT_INCHES = 2.2
# Rarer combinations stand in the file only.
SMALLEST_SHOWN, MOST_SHOWN = 0.005, 24


def joint_rows(joint: JointLevel) -> list[tuple[str, str]]:
    """Return the combinations worth showing, the most probable first, with their shares."""
    rows = []
    figures = zip(joint.patterns, joint.probability, joint.low, joint.high, strict=True)
    for present, share, low, high in figures:
        if share is None or low is None or high is None or share < SMALLEST_SHOWN:
            continue
        name = ", ".join(present) or "none of them"
        rows.append((name, f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"))
    return rows[:MOST_SHOWN]


def draw_path(joint: JointLevel) -> Figure:
    """Draw the order in which regions appear: an arrow from each to what occurs only with it."""
    places = _place(joint.path)
    figure = style.new_figure(PATH_HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot()
    for earlier, later in joint.path:
        panel.annotate(
            "",
            xy=places[later],
            xytext=places[earlier],
            arrowprops={"arrowstyle": "-|>", "color": style.MUTED, "shrinkA": 30, "shrinkB": 30},
        )
    for name, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": style.MUTED}
        panel.text(x, y, name, ha="center", va="center", bbox=box)
    columns = [x for x, _ in places.values()]
    lines = [y for _, y in places.values()]
    panel.set(xlim=(-0.5, max(columns) + 0.5), ylim=(min(lines) - 0.6, max(lines) + 0.6))
    panel.axis("off")
    return figure


def _place(path: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Return where each region stands: a column behind the last of those it needs."""
    names = sorted({name for step in path for name in step})
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for earlier, later in path:
            depth[later] = max(depth[later], depth[earlier] + 1)
    places: dict[str, tuple[float, float]] = {}
    for column in range(max(depth.values()) + 1):
        own = [name for name in names if depth[name] == column]
        for number, name in enumerate(own):
            places[name] = (float(column), (len(own) - 1) / 2 - number)
    return places
