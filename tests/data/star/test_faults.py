"""Headers and rows that were edited by hand: the message names what was done to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.star.faults import explain_header
from cryofocus.errors import CryofocusError
from fuzz.corpus import CISTEM_STAR, CURVES, RELION_3, RELION_5
from particle_files import star_text

SOUND = RELION_5[RELION_5.index("data_optics") :]
HEADER, ROW = 26, 46  # lines of data_particles and the first row, from 1
EVERY_ROW = "So has every other row: the list of labels lacks a label"
Change = Callable[[str], str]


def particles(change: Change) -> Change:
    """Change what stands from the `loop_` of the particles on."""
    return lambda text: text[: text.rindex("loop_")] + change(text[text.rindex("loop_") :])


def replace(old: str, new: str) -> Change:
    """Replace the first text that is there."""

    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def rows(change: Change, *numbers: int) -> Change:
    """Change lines by their number, from 1, or every row."""

    def edit(text: str) -> str:
        lines = text.split("\n")
        chosen = numbers or [i for i, line in enumerate(lines, 1) if "@" in line]
        return "\n".join(change(line) if i in chosen else line for i, line in enumerate(lines, 1))

    return edit


def bare(text: str) -> str:
    """Take the underscores of labels away."""
    return re.sub("^_", "", text, flags=re.MULTILINE)


def without(pattern: str) -> Change:
    """Leave out lines."""
    return lambda text: re.sub(f"^{pattern}.*\n", "", text, flags=re.MULTILINE)


SPOILED: dict[str, tuple[Change, str]] = {
    "no loop_": (
        particles(replace("loop_\n", "")),
        ", line 28: labels are listed without a line 'loop_' before them.",
    ),
    "no loop_ before the optics": (
        replace("loop_\n", ""),
        ", line 3: labels are listed without a line 'loop_' before them.",
    ),
    "loop": (particles(replace("loop_", "loop")), ", line 28: found 'loop', expected 'loop_'."),
    "loop_ and a label": (
        particles(replace("loop_\n", "loop_ ")),
        ", line 28: 'loop_' has to stand on a line of its own.",
    ),
    "no data_ at all": (
        lambda text: without("data_")(text).partition("[]\n")[2],
        ", line 7: labels are listed without a line that starts with 'data_' before them.",
    ),
    "no data_particles": (
        without("data_particles"),
        ", line 28: the particles stand in data_optics, as a second table. Add a line "
        "'data_particles'",
    ),
    "data particles": (
        replace("data_particles", "data particles"),
        "Found 'data particles', expected 'data_particles'.",
    ),
    "no underscores": (
        particles(bare),
        ", line 29: the label rlnImageName lacks its underscore. Write _rlnImageName.",
    ),
    "one underscore less": (
        particles(replace("_rlnAngleTilt", "rlnAngleTilt")),
        ", line 33: 1 value, expected 4, one for each column of data_particles. The label "
        "rlnAngleTilt lacks its underscore. Write _rlnAngleTilt.",
    ),
    "no space before #": (
        replace("_rlnImageName #1", "_rlnImageName#1"),
        ", line 29: the label '_rlnImageName' and # run together. Put a space before #.",
    ),
    "no-break spaces in a label": (
        lambda text: text.replace("_rlnImageName #1", "_rlnImageName\u00a0#1"),
        ", line 29: spaces that separate nothing (U+00A0). Replace them by plain ones.",
    ),
    "a number only to Python": (
        replace("15000", "15_000"),
        "rlnDefocusU is '15_000', expected a number.",
    ),
    "other case": (replace("_rlnImageName", "_rlnimagename"), "(is rlnimagename misspelt?)"),
    "no rln": (replace("_rlnImageName", "_ImageName"), "(is ImageName misspelt?)"),
    "no labels": (
        particles(without("_")),
        f", line {ROW - 17}: rows without the labels of their columns before them: the header",
    ),
    "no labels of the optics": (
        lambda text: without("_")(text[: text.index('1 "')]) + text[text.index('1 "') :],
        ", line 4: rows without the labels of their columns before them: the header",
    ),
    "rows alone": (
        lambda text: text[text.index("000001@") :],
        ", line 1: rows without the labels",
    ),
    "a label less": (
        without("_rlnAngleTilt"),
        f"17 values, expected 16, one for each column of data_particles. {EVERY_ROW}",
    ),
    "no label of images": (without("_rlnImageName"), EVERY_ROW),
    "pairs": (
        lambda text: "data_particles\n_rlnImageName 1@s.mrcs\n_rlnAngleRot 2\n",
        ", line 2: data_particles has one value behind each label, expected a line 'loop_'",
    ),
    "a label behind rows": (lambda text: f"{text}_rlnX #18\n", "It is a label, and labels come"),
    "two labels on a line": (
        replace("_rlnAngleTilt", "_rlnAngleTilt _rlnX"),
        "A label has a line of its own; found '_rlnAngleTilt _rlnX #5'.",
    ),
    "+": (
        rows(lambda line: f"+{line}", 1),
        ", line 1: found '+data_optics', expected 'data_optics'.",
    ),
    "commas": (
        rows(lambda line: line.replace(" ", ","), ROW),
        f", line {ROW}: 1 value, expected 17, one for each column of data_particles. Its values "
        "are separated by commas; expected spaces or tabs.",
    ),
    "commas and spaces": (
        rows(lambda line: line.replace(" ", ", "), ROW),
        "rlnAngleRot is '10,', expected a number. Values are separated by spaces or tabs alone.",
    ),
    "spaces of other kinds": (
        rows(lambda line: line.replace(" ", "\u00a0"), ROW),
        "It has spaces that separate nothing (U+00A0).",
    ),
    "a comma for a point": (
        rows(lambda line: line.replace("1.5", "1,5"), ROW),
        "rlnOriginXAngst is '1,5', expected a number. Write decimals with a point.",
    ),
    "a comment in a row": (
        rows(lambda line: line.replace("m1", "#m1"), ROW),
        "What starts with # is a comment: put '#m1.mrc' in quotes if it is a value.",
    ),
    "a row in quotes": (rows(lambda line: f'"{line}"', ROW), "The whole row is in quotes."),
    "a row on two lines": (
        rows(lambda line: line.replace(" 10 ", "\n10 "), ROW),
        f", line {ROW}: 3 values, expected 17, one for each column of data_particles. It goes on "
        "in the next line.",
    ),
    "a row cut": (
        rows(lambda line: line.rpartition(" ")[0], ROW + 1),
        f", line {ROW + 1}: 16 values, expected 17, one for each column of data_particles. The "
        "file may be cut short, or a text with spaces lacks its quotes.",
    ),
    "what is no row": (
        rows(lambda line: f"<<<<<<< HEAD\n{line}", ROW),
        f", line {ROW}: 2 values, expected 17, one for each column of data_particles. It is "
        "'<<<<<<< HEAD'. The file may be cut short",
    ),
    "no optics": (
        lambda text: text[text.index("data_particles") :],
        ": the rows of data_particles name optics groups (rlnOpticsGroup), but there is no table "
        "data_optics. Copy it from",
    ),
    "optics of another name": (
        replace("data_optics", "data_optic"),
        "but there is no table data_optics, only data_optic.",
    ),
    "optics alone": (
        lambda text: text[: text.index("data_particles")],
        "After data_optics it ends; it may be cut short.",
    ),
    "number behind @": (
        rows(lambda line: line.replace("000001@s.mrcs", "s.mrcs@1"), ROW),
        ": rlnImageName of row 1 is 's.mrcs@1'; expected NUMBER@STACK",
    ),
}
CISTEM_SPOILED: dict[str, tuple[Change, str]] = {
    "no loop_": (replace("loop_\n", ""), ", line 3: labels are listed without a line 'loop_'"),
    "no data_": (replace("data_\n", ""), ", line 3: labels are listed without a line that starts"),
    "no underscores": (bare, ", line 4: the label cisTEMPositionInStack lacks its underscore."),
    "no labels": (without("_"), ", line 4: rows without the labels of their columns before them"),
    "rows alone": (
        lambda text: text[text.index("1 1 2 3") :],
        ", line 1: rows without the labels",
    ),
    "a label less": (
        without("_cisTEMAnglePsi"),
        f"14 values, expected 13, one for each column of data_. {EVERY_ROW}",
    ),
}


def message_of(path: Path, text: str) -> str:
    """Tell why a table is refused."""
    path.write_text(text)
    with pytest.raises(CryofocusError) as caught:
        open_table(path).columns()
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(("change", "message"), SPOILED.values(), ids=SPOILED)
def test_the_cause_is_named(tmp_path: Path, change: Change, message: str) -> None:
    """A RELION table that was spoiled in one way is refused for what was done to it."""
    assert message in message_of(tmp_path / "x.star", change(SOUND))


@pytest.mark.parametrize(("change", "message"), CISTEM_SPOILED.values(), ids=CISTEM_SPOILED)
def test_the_cause_is_named_in_cistem_tables(tmp_path: Path, change: Change, message: str) -> None:
    """So is one of cisTEM's."""
    assert message in message_of(tmp_path / "x.star", change(CISTEM_STAR))


@pytest.mark.parametrize("text", [RELION_3, RELION_5, CISTEM_STAR, CURVES, star_text()])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sound_headers_have_no_fault(text: str, end: str) -> None:
    """Nothing is found in files that are sound, indented ones among them, whatever ends lines."""
    for indented in (text, text.replace("\n_", "\n  _"), text.replace("loop_", "LOOP_")):
        assert explain_header(indented.replace("\n", end).encode().splitlines()) == ""


def test_every_line_of_a_header_is_missed(tmp_path: Path) -> None:
    """Whichever line of the particles' header is lost, the message tells of the header."""
    lines = SOUND.splitlines(keepends=True)
    for number in range(HEADER - 1, ROW - 1):
        lost = lines[number].strip()
        if lost:
            message = message_of(
                tmp_path / "x.star", "".join(lines[:number] + lines[number + 1 :])
            )
            told = lost if lost.endswith(("_", "particles")) else "lacks a label"
            assert told in message


def test_rows_of_blanks_take_no_longer_than_others(tmp_path: Path) -> None:
    """What a row lacks is looked for in a time that grows as the row does."""
    began = time.process_time()
    wide = particles(replace("000001@", "000001@" + 60_000 * " "))
    assert "values, expected" in message_of(tmp_path / "x.star", wide(SOUND))
    assert time.process_time() - began < 1.0
