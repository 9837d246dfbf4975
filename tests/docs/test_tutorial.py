"""What the tutorial shows is what its commands print, at the size it tells of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cryofocus.cli.main import app

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
STEP = re.compile(r"```\ncryofocus ([^`]+)```(?:(?!```).)*?```text\n([^`]+)```", re.DOTALL)
NUMBER = re.compile(r"\d[\d,]*\.?\d*")
# Numbers may differ by their last digits from machine to machine; a count by a few particles.
SHARE_APART, COUNT_APART = 0.006, 4.0
# Where particles differ is left to the tests of `variance`, which takes as long as all others.
STEPS = ("simulate humanoid", "classify", "evaluate")


@pytest.fixture
def steps() -> Iterator[tuple[str, str]]:
    """Commands of the tutorial whose output it shows, with that."""
    found = [(typed.strip(), shown) for typed, shown in STEP.findall(TUTORIAL.read_text("utf-8"))]
    chosen = [step for step in found if step[0].startswith(STEPS)]
    assert len(chosen) == len(STEPS)
    yield from [chosen]


@pytest.mark.slow
def test_the_tutorial_shows_what_is_printed(
    steps: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line that is shown is there, with the numbers to their last digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for typed, shown in steps:
        done = CliRunner().invoke(app, typed.split())
        assert done.exit_code == 0, done.stderr
        printed = " ".join(done.stdout.split())
        so_far = 0
        for words, numbers in _sentences(shown):
            pattern = re.escape(words).replace("NUMBER", f"({NUMBER.pattern})")
            match = re.compile(pattern).search(printed, so_far)
            assert match is not None, f"{typed}: {words} is not in {printed}"
            so_far = match.end()
            for was, now in zip(numbers, match.groups(), strict=True):
                apart = abs(_value(was) - _value(now))
                most = COUNT_APART if "." not in was else SHARE_APART * max(1.0, _value(was))
                assert apart <= most, f"{typed}: {was} is shown, {now} was printed"


def _sentences(shown: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what is shown as words, with a place for each number, and the numbers."""
    for sentence in re.split(r"\n(?=\S| {2}class)", shown.strip()):
        words = " ".join(sentence.split())
        yield NUMBER.sub("NUMBER", words), NUMBER.findall(words)


def _value(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))
