"""`cryofocus align search`, `combine` and `move`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Invoke


def test_search_says_what_it_found(cryofocus: Invoke, particle_set: Path) -> None:
    """The table is written, and how many poses are sure is said."""
    result = cryofocus(
        *("align", "search", particle_set / "particles.star", "--symmetry", "C2", "--reference"),
        *(next((particle_set / "maps").glob("near_up*far_up*.mrc")), "--max-resolution", "60"),
        *("--angular-step", "20", "--threads", "1", "-o", particle_set / "found.star"),
    )
    assert result.exit_code == 0, result.output
    assert (particle_set / "found.star").is_file()
    assert "found.star, 60 particles" in result.output
    assert "with a probability of 0.9 or more" in result.output


def test_options_that_exclude_each_other(cryofocus: Invoke, particle_set: Path) -> None:
    """Continuing a search and replacing it cannot both be asked for."""
    result = cryofocus(
        *("align", "search", particle_set / "particles.star", "--reference", "map.mrc"),
        *("--resume", "--overwrite", "-o", "found.star"),
    )
    assert result.exit_code == 2
    assert "use --resume to finish the search that was interrupted" in result.output


def test_bad_settings_are_named_as_options(cryofocus: Invoke, particle_set: Path) -> None:
    """A setting out of range is called by its option, and nothing is written."""
    result = cryofocus(
        *("align", "search", particle_set / "particles.star", "--reference", "map.mrc"),
        *("--angular-step", "90", "-o", particle_set / "found.star"),
    )
    assert result.exit_code == 2
    assert "--angular-step" in result.output
    assert "found 90, expected 1 to 30 degrees" in result.output
    assert not (particle_set / "found.star").exists()


def test_combine_without_a_run(cryofocus: Invoke, tmp_path: Path) -> None:
    """A folder that holds no run is refused."""
    result = cryofocus("align", "combine", tmp_path, "-o", tmp_path / "combined.star")
    assert result.exit_code == 2
    assert "not a run of cryofocus" in result.output


def test_move_says_how_far(cryofocus: Invoke, particle_set: Path) -> None:
    """The table is written, and the motion that it follows is said."""
    motion = {"map": "a.mrc", "rotation": [[0, -1, 0], [1, 0, 0], [0, 0, 1]]}
    motion["shift_angstrom"] = [3, 0, -2]
    (particle_set / "fit.json").write_text(json.dumps(motion))
    result = cryofocus(
        *("align", "move", particle_set / "particles.star", "--by", particle_set / "fit.json"),
        *("-o", particle_set / "moved.star"),
    )
    assert result.exit_code == 0, result.output
    assert "moved.star, 60 particles" in result.output
    assert "by 90.00°, then 3.00, 0.00, -2.00 Å along x, y, z" in result.output
