"""Stacks of subtracted images say which stacks they were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.mrc import MrcHeader, read_header, write_stack
from cryofocus.data.subtracted_stacks import require_intact, subtracted_labels
from cryofocus.errors import ParticleError

LONG = "ä/" * 60 + "particles.mrcs"


def written(path: Path, sources: list[str], *earlier: MrcHeader) -> MrcHeader:
    """Write a stack made from others and read its header."""
    labels = subtracted_labels(path.name, sources, earlier)
    write_stack(path, [np.ones((1, 4, 4), np.float32)], 1, 4, 2.0, labels=labels)
    return read_header(path)


@pytest.mark.parametrize("name", ["particles.mrcs", "Extract/job012/particles.mrcs", LONG])
def test_only_the_stacks_it_was_made_from_are_refused(tmp_path: Path, name: str) -> None:
    """Under its own name, or that of a stack it was not made from, it is read."""
    header = written(tmp_path / "particles.mrcs", [name, "other.mrcs"])
    with pytest.raises(ParticleError, match="the intact images"):
        require_intact(header, name)
    for other in ("sub/particles.mrcs", "other.mrcs", "particles.mrc"):
        require_intact(header, other)
    again = written(tmp_path / "particles.mrc", ["sub/particles.mrcs"], header)
    for wrong in (name, "sub/particles.mrcs"):
        with pytest.raises(ParticleError, match="the intact images"):
            require_intact(again, wrong)


def test_other_stacks_are_read(tmp_path: Path) -> None:
    """Labels of other programs, and of stacks that were simulated, say nothing of it."""
    write_stack(tmp_path / "a.mrcs", [np.ones((1, 4, 4), np.float32)], 1, 4, 2.0)
    header = read_header(tmp_path / "a.mrcs")
    assert header.labels == ("Created by cryofocus",)
    require_intact(header, "a.mrcs")
