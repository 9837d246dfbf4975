"""Every command that the documentation or a help text shows is one that can be typed.

Each of them is parsed by the real command line. What they do is run by the tests named in
`RUN_BY`; the lines themselves ask for files of users, or for hours.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cryofocus.cli.main import app

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *```\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(cryofocus(?:_relion)? [^`]+)`")
# Words in capitals and dots stand for something to fill in; they are no command to type.
ABRIDGED = re.compile(r"\.\.\.|\bIN\b|\bOUT\b|GROUP|PARTICLES")
RUN_BY = {
    "align combine": "tests/workflows/align/test_combine.py",
    "align move": "tests/cli/test_align_search.py",
    "align refine": "tests/poses/test_refine.py",
    "align search": "tests/workflows/align/test_search.py",
    "benchmark assembly": "tests/cli/test_benchmark_assembly.py",
    "benchmark humanoid": "tests/benchmark/test_run.py",
    "classify": "tests/cli/test_commands.py",
    "collapse": "tests/cli/test_commands.py",
    "convert": "tests/cli/test_commands.py",
    "covary": "tests/workflows/covary/test_run.py",
    "deposit": "tests/report/test_deposit.py",
    "diffmap": "tests/cli/test_map_commands.py",
    "doctor": "tests/cli/test_commands.py",
    "evaluate": "tests/cli/test_commands.py",
    "expand": "tests/cli/test_commands.py",
    "fit": "tests/cli/test_map_commands.py",
    "fsc": "tests/cli/test_map_commands.py",
    "mask ellipsoid": "tests/cli/test_map_commands.py",
    "mask model": "tests/workflows/test_make_mask.py",
    "mask place": "tests/report/place/test_page.py",
    "mask sphere": "tests/cli/test_commands.py",
    "mask threshold": "tests/workflows/test_make_mask.py",
    "mask variance": "tests/workflows/test_make_mask.py",
    "merge": "tests/cli/test_map_commands.py",
    "reconstruct": "tests/cli/test_commands.py",
    "relion-external": "tests/cli/test_relion_external.py",
    "report": "tests/cli/test_commands.py",
    "select": "tests/cli/test_commands.py",
    "simulate assembly": "tests/workflows/simulate/test_assembly.py",
    "simulate humanoid": "tests/cli/test_commands.py",
    "simulate model": "tests/workflows/simulate/test_model.py",
    "subtract": "tests/cli/test_subtract.py",
    "variance": "tests/workflows/variance/test_run.py",
}


def all_commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield name and command of everything that does something."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(all_commands(typer.main.get_command(app)))


def shown_lines() -> Iterator[tuple[str, str]]:
    """Yield place and text of every command that is shown."""
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        if page.name in ("cli.md", "api.md"):
            continue  # made from the help texts
        text = re.sub(r" *\\\n *", " ", page.read_text(encoding="utf-8"))
        for block in FENCE.findall(text):
            lines = (line.strip() for line in block.splitlines())
            for line in lines:
                if line.startswith(("cryofocus ", "cryofocus_relion ")):
                    # A remark stands behind several blanks.
                    yield str(page.relative_to(ROOT)), re.split(r" {3,}", line)[0]
        for line in INLINE.findall(text):
            if not ABRIDGED.search(line) and " -" in line:
                yield str(page.relative_to(ROOT)), line
    for name, command in COMMANDS.items():
        for line in INLINE.findall(" ".join((command.help or "").split())):
            yield f"{name} --help", line


LINES = sorted(set(shown_lines()))


@pytest.mark.parametrize(("place", "line"), LINES, ids=[f"{p}: {t}" for p, t in LINES])
def test_the_command_can_be_typed(place: str, line: str) -> None:
    """Command, options and values are such as the command line takes."""
    program, *words = shlex.split(line)
    words = ["relion-external", *words] if "relion" in program else words
    if words[0] in ("--install-completion", "--show-completion", "--version"):
        return
    n_words = 1 if words[0] in COMMANDS else 2
    name = " ".join(words[:n_words])
    assert name in COMMANDS, f"{place}: no command {name}"
    COMMANDS[name].make_context(name, words[n_words:])


def test_every_help_ends_with_examples() -> None:
    """A help text teaches by an example of its own command, as its last words."""
    lacking = [
        name
        for name, command in COMMANDS.items()
        if not re.search(rf"`cryofocus {name}( [^`]*)?`\s*$", command.help or "")
    ]
    assert lacking == []


def test_every_command_is_run_by_a_test() -> None:
    """For each command there is a test that runs it."""
    assert set(RUN_BY) == set(COMMANDS)
    for name, path in RUN_BY.items():
        assert (ROOT / path).is_file(), f"{name}: no {path}"
