"""What one command is writing, no other command writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryofocus.errors import OutputError
from cryofocus.workflows.run.claims import claim, names_claimed


def test_a_name_is_one_command_s_until_it_ends(tmp_path: Path) -> None:
    """Another one is refused and told whose it is; then nothing is left of it."""
    path = tmp_path / "map.mrc"
    with names_claimed():
        claim(path)
        claim(path)  # as often as it likes
        said = rf"map\.mrc: another .* \(number {os.getpid()} on"
        with pytest.raises(OutputError, match=said), names_claimed():
            claim(path)
        with names_claimed():
            claim(tmp_path / "other.mrc")
    with names_claimed():
        claim(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    """Two names of one directory are one."""
    (tmp_path / "V").mkdir()
    (tmp_path / "link").symlink_to("V")
    with names_claimed(), pytest.raises(OutputError, match="link: another"):  # noqa: PT012
        claim(tmp_path / "V")
        with names_claimed():
            claim(tmp_path / "link")


def test_folders_made_for_a_claim_go_if_nothing_comes_into_them(tmp_path: Path) -> None:
    """And stay if something does."""
    with names_claimed():
        claim(tmp_path / "a" / "b" / "V")
        claim(tmp_path / "c" / "d" / "V")
        (tmp_path / "c" / "V").touch()
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["c", "V"]


def test_functions_claim_nothing(tmp_path: Path) -> None:
    """Outside of a command, nothing is locked or made."""
    claim(tmp_path / "a" / "V")
    assert list(tmp_path.iterdir()) == []
