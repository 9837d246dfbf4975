"""Joint states of regions on the page of `covary`: their table, and the path of assembly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryofocus.report.drawing.sheet import Line, Sheet, Text
from cryofocus.report.drawing.style import MUTED, PAGE_WIDTH
from cryofocus.workflows.covary.record import JointLevel

BOX_HEIGHT, ROW_HEIGHT, LETTER_WIDTH, PADDING = 34.0, 64.0, 9.0, 16.0
ARROW_LENGTH, ARROW_WIDTH = 10.0, 8.0
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


def draw_path(joint: JointLevel) -> Sheet:
    """Draw the order in which regions appear: an arrow from each to what occurs only with it."""
    places = _place(joint.path)
    columns = max(x for x, _ in places.values()) + 1
    lines = [y for _, y in places.values()]
    sheet = Sheet(ROW_HEIGHT * (max(lines) - min(lines) + 1))
    middles = {
        name: (PAGE_WIDTH * (x + 0.5) / columns, ROW_HEIGHT * (max(lines) - y + 0.5))
        for name, (x, y) in places.items()
    }
    for earlier, later in joint.path:
        (x, y), (end_x, end_y) = middles[earlier], middles[later]
        _add_arrow(sheet, (x + _half_width(earlier), y), (end_x - _half_width(later), end_y))
    for name, (x, y) in middles.items():
        half, height = _half_width(name), BOX_HEIGHT / 2
        corners = ((-half, -height), (half, -height), (half, height), (-half, height))
        outline = tuple((x + a, y + b) for a, b in (*corners, corners[0]))
        sheet.add(Line(outline, MUTED), Text(name, x, y + 5, size=14, anchor="middle"))
    return sheet


def _half_width(name: str) -> float:
    return (LETTER_WIDTH * len(name)) / 2 + PADDING


def _add_arrow(sheet: Sheet, begin: tuple[float, float], end: tuple[float, float]) -> None:
    start, tip = np.asarray(begin), np.asarray(end)
    along = (tip - start) / max(float(np.hypot(*(tip - start))), 1e-9)
    across = np.array([-along[1], along[0]]) * ARROW_WIDTH / 2
    base = tip - ARROW_LENGTH * along
    head = [tip, base + across, base - across, tip]
    sheet.add(Line((begin, (float(base[0]), float(base[1]))), MUTED, 1.5))
    sheet.add(Line(tuple((float(x), float(y)) for x, y in head), MUTED, filled=True))


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
