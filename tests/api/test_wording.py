"""Errors name arguments where Python asked, and options on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import cryofocus
from cryofocus.api.wording import name_arguments, name_words, on_the_command_line, speak_python
from cryofocus.errors import CryofocusError, SettingError

COMMAND = "Run cryofocus align search x --symmetry C2. Add "


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Give a sphere with --focus X,Y,Z,R.", "Give a sphere with focus=(X, Y, Z, R)."),
        ("or a mask file with --mask.", "or a mask file with mask."),
        ("Give a lower --max-resolution 8, or", "Give a lower max_resolution=8, or"),
        (COMMAND + "--map.", COMMAND + "map."),
        ("a -- b, non--option", "a -- b, non--option"),
    ],
)
def test_options_become_arguments(said: str, heard: str) -> None:
    """Every option of a message is an argument; commands to type stay as they are typed."""
    assert name_arguments(said) == heard


def test_only_python_hears_arguments() -> None:
    """One function says one thing to Python and another to the command line."""

    @speak_python
    def refuse() -> None:
        raise SettingError("seed: found -1. Give --seed 1.")

    with pytest.raises(SettingError, match="Give seed=1"):
        refuse()
    with on_the_command_line(), pytest.raises(SettingError, match="Give --seed 1"):
        refuse()


def test_classify_takes_and_names_the_words_of_the_command(tmp_path: Path) -> None:
    """A sphere as the command takes it is read; a complaint names the word that was given."""
    table = tmp_path / "t.star"
    with pytest.raises(CryofocusError, match=r"focus=\(X, Y, Z, R\)"):
        cryofocus.classify(table, tmp_path / "r", classes=2)
    with pytest.raises(CryofocusError, match=r"^classes: found 1, expected"):
        cryofocus.classify(table, tmp_path / "r", classes=1, focus="142,118,97,30")
    with pytest.raises(CryofocusError, match=r"focus: found '1,2', expected"):
        cryofocus.classify(table, tmp_path / "r", classes=2, focus="1,2")
    asked = {"particles": table, "focus": "142, 118,97,30", "settings": {"n_classes": 2}}
    assert cryofocus.ClassifyRequest(**asked).focus == (142.0, 118.0, 97.0, 30.0)
    assert name_words("n_runs: found 0; seed: x", {"n_runs": "runs"}) == "runs: found 0; seed: x"
