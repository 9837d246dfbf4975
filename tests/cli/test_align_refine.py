"""`cryofocus align refine`, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Invoke


def test_a_region_moves_as_a_body(cryofocus: Invoke, particle_set: Path) -> None:
    """What is left of a subtraction is aligned on its own, with a picture of how it moved."""
    table, folder = particle_set / "particles.star", particle_set / "body"
    map_file = next((particle_set / "maps").glob("near_up*far_up*.mrc"))
    mask, moves = particle_set / "body.mrc", particle_set / "moves.png"
    refined = particle_set / "refined.star"
    steps = (
        ("mask", "sphere", "210,210,190,120", "--like", map_file, "-o", mask),
        ("subtract", table, "--keep", mask, "-o", folder),
        (
            *("align", "refine", folder / "particles.star", "--iterations", "1"),
            *("--threads", "1", "--figure", moves, "-o", refined),
        ),
    )
    for step in steps:
        result = cryofocus(*step)
        assert result.exit_code == 0, result.output
    assert "refined.star, 60 particles" in result.output
    assert moves.read_bytes().startswith(b"\x89PNG")
    assert refined.is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [("moves.pdf", "ends in .png"), ("nowhere/moves.png", "no such folder")],
)
def test_a_bad_picture_is_refused_before_any_work(
    cryofocus: Invoke, particle_set: Path, name: str, message: str
) -> None:
    """Nothing is refined, and nothing written, for a picture that could not be."""
    output = particle_set / "refined.star"
    result = cryofocus(
        *("align", "refine", particle_set / "particles.star", "-o", output),
        *("--figure", particle_set / name),
    )
    assert result.exit_code == 2
    assert message in result.output
    assert not output.exists()
