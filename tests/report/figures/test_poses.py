"""The picture of how far particles have moved."""

from __future__ import annotations

import numpy as np

from cryofocus.report.figures.poses import draw_moves


def test_turns_and_shifts_are_shown() -> None:
    """Each axis has a curve with its spread; a few wild particles do not set the scale."""
    rng = np.random.default_rng(1)
    turns = rng.normal(size=(2000, 3)) * (1.0, 2.0, 3.0)
    turns[:5] = 170.0
    shifts = rng.normal(size=(2000, 2))
    curves, places, _ = draw_moves(turns, shifts).axes
    texts = [text.get_text() for text in curves.get_legend().get_texts()]
    assert [text.split(":")[0] for text in texts] == ["about x", "about y", "about z"]
    assert 3 < curves.get_xlim()[1] < 20
    assert places.get_xlabel() == "x (Å)"


def test_nothing_moved() -> None:
    """Particles that stayed make a picture, too."""
    assert len(draw_moves(np.zeros((3, 3)), np.zeros((3, 2))).axes) == 3
