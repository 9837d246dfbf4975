"""STAR documents: every byte survives, cells are split and written as the format says."""

from __future__ import annotations

import errno
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryofocus.data.star import cells
from cryofocus.data.star.cells import quote, split_row
from cryofocus.data.star.document import StarDocument, write_star
from cryofocus.errors import FormatError, InputError, OutputError

PECULIAR = (
    b"# a comment before everything\r\n"
    b"data_\r\n"
    b"\r\n"
    b"_rlnNote 'two words' # its comment\r\n"
    b'_rlnEmpty ""\r\n'
    b"\r\n"
    b"data_model_odd.name-1\r\n"
    b"loop_ \r\n"
    b"_rlnImageName\r\n"
    b"_rlnText [a comment]\r\n"
    b"data_set/1@a.mrcs \"quoted 'text'\" \r\n"
    b"\t_start.mrcs\t''\t# a comment\r\n"
    b"\r\n"
    b"# a comment among rows\r\n"
    b"o'brien.mrcs a#b\r\n"
    b"\r\n"
    b"data_after\r\n"
    b"loop_\r\n"
    b"_single #1\r\n"
    b"data_value\r\n"
)


@pytest.fixture
def peculiar(tmp_path: Path) -> StarDocument:
    """A file with everything that trips readers."""
    path = tmp_path / "peculiar.star"
    path.write_bytes(PECULIAR.replace(b"_rlnText [a comment]", b"_rlnText #2 [a comment]"))
    return StarDocument.read(path)


def test_blocks_and_cells_of_a_peculiar_file(peculiar: StarDocument) -> None:
    """Quotes, empties, tabs, comments and look-alikes of keywords are cells as written."""
    assert [block.name for block in peculiar.blocks] == ["", "model_odd.name-1", "after"]
    pairs, loop, single = peculiar.blocks
    assert peculiar.texts(pairs, ["rlnNote", "rlnEmpty"]) == {
        "rlnNote": ["two words"],
        "rlnEmpty": [""],
    }
    assert peculiar.texts(loop, loop.labels) == {
        "rlnImageName": ["data_set/1@a.mrcs", "_start.mrcs", "o'brien.mrcs"],
        "rlnText": ["quoted 'text'", "", "a#b"],
    }
    assert peculiar.texts(single, ["single"]) == {"single": ["data_value"]}


def test_nothing_added_changes_nothing(peculiar: StarDocument, tmp_path: Path) -> None:
    """Without new columns the written file is the file that was read, byte for byte."""
    peculiar.write(tmp_path / "out.star", peculiar.blocks[1], {})
    assert (tmp_path / "out.star").read_bytes() == peculiar.path.read_bytes()


def test_columns_are_added_and_replaced_in_place(peculiar: StarDocument, tmp_path: Path) -> None:
    """Only the cells concerned change: comments, tabs, quotes and line ends stay."""
    columns = {"rlnText": ["x", "y z", ""], "rlnClassNumber": np.array([1, 2, 3])}
    peculiar.write(tmp_path / "out.star", peculiar.blocks[1], columns)
    expected = peculiar.path.read_bytes()
    for old, new in (
        (b"[a comment]\r\n", b"[a comment]\r\n_rlnClassNumber #3\r\n"),
        (b"\"quoted 'text'\" \r\n", b"x 1 \r\n"),
        (b"\t''\t#", b'\t"y z" 2\t#'),
        (b"a#b", b'"" 3'),
    ):
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert (tmp_path / "out.star").read_bytes() == expected


def test_rows_can_be_chosen_and_reordered(peculiar: StarDocument, tmp_path: Path) -> None:
    """A selection keeps the rows' own text, in the order asked for, and the other blocks."""
    out = tmp_path / "out.star"
    peculiar.write(out, peculiar.blocks[1], {"new": [7, 8]}, rows=np.array([2, 0]))
    again = StarDocument.read(out)
    assert again.texts(again.blocks[1], ["rlnImageName", "new"]) == {
        "rlnImageName": ["o'brien.mrcs", "data_set/1@a.mrcs"],
        "new": ["7", "8"],
    }
    assert out.read_bytes().endswith(PECULIAR[PECULIAR.index(b"\r\ndata_after") :])


def test_rows_can_be_repeated_part_by_part(peculiar: StarDocument, tmp_path: Path) -> None:
    """Copies of rows, and the comments among them once, without the cells all in memory."""
    out, loop = tmp_path / "out.star", peculiar.blocks[1]
    parts = [
        (np.array([0, 0]), {"new": [1, 2]}),
        (np.array([1, 1, 2, 2]), {"new": [3, 4, 5, 6]}),
    ]
    peculiar.write_parts(out, loop, parts)
    again = StarDocument.read(out)
    assert again.texts(again.blocks[1], ["rlnImageName", "new"]) == {
        "rlnImageName": [name for name in names_of(peculiar) for _ in range(2)],
        "new": ["1", "2", "3", "4", "5", "6"],
    }
    assert out.read_bytes().count(b"\n") == peculiar.path.read_bytes().count(b"\n") + 4


def test_columns_that_were_added_can_be_taken_out_again(
    peculiar: StarDocument, tmp_path: Path
) -> None:
    """Rows and columns that were put in leave no trace when they are taken out."""
    more, loop = tmp_path / "more.star", peculiar.blocks[1]
    rows = np.repeat(np.arange(3), 2)
    peculiar.write(more, loop, {"one": np.arange(6), "two": ["a b"] * 6}, rows)
    longer = StarDocument.read(more)
    back = tmp_path / "back.star"
    longer.write(back, longer.blocks[1], {}, np.array([0, 2, 4]), drop=("one", "two"))
    assert back.read_bytes() == peculiar.path.read_bytes()


def test_labels_behind_a_dropped_column_are_renumbered(tmp_path: Path) -> None:
    """The numbers behind labels count the columns that are left; unnumbered ones stay so."""
    path = tmp_path / "in.star"
    path.write_text("data_x\nloop_\n_a #1\n_b #2 \n_c\n_d #4\n 1 2 3  4 \n")
    document = StarDocument.read(path)
    document.write(tmp_path / "out.star", document.blocks[0], {"e": [5]}, drop=("a", "c"))
    expected = "data_x\nloop_\n_b #1 \n_d #2\n_e #3\n 2  4 5 \n"
    assert (tmp_path / "out.star").read_text() == expected


def names_of(peculiar: StarDocument) -> list[str]:
    """Image names of the peculiar file."""
    return peculiar.texts(peculiar.blocks[1], ["rlnImageName"])["rlnImageName"]


@pytest.mark.parametrize("end", ["\n", "  \n", " \r\n", ""], ids=["plain", "white", "CR", "none"])
def test_a_column_behind_a_replaced_last_one(tmp_path: Path, end: str) -> None:
    """A new column stays on the line of its row where the last column is replaced as well."""
    path, out = tmp_path / "a.star", tmp_path / "out.star"
    path.write_bytes(f"data_x\n\nloop_\n_a #1\n_b #2\n1 2\n3 4{end}".encode())
    document = StarDocument.read(path)
    document.write(out, document.blocks[0], {"b": [5, 6], "c": [7, 8]})
    again = StarDocument.read(out)
    columns = again.texts(again.blocks[0], ["a", "b", "c"])
    assert columns == {"a": ["1", "3"], "b": ["5", "6"], "c": ["7", "8"]}


@pytest.mark.parametrize("label_style", ["_a\n_b\n", "_a #1\n_b #2\n", "  _a #1 \n  _b #2 \n"])
def test_new_labels_follow_the_style_of_the_file(tmp_path: Path, label_style: str) -> None:
    """Numbered or not, indented or not: a new label looks like its neighbours."""
    path = tmp_path / "in.star"
    path.write_text(f"data_x\nloop_\n{label_style}1 2")
    document = StarDocument.read(path)
    document.write(tmp_path / "out.star", document.blocks[0], {"c": [3]})
    last = label_style.splitlines(keepends=True)[-1]
    expected = label_style + last.replace("b", "c").replace("2", "3")
    assert (tmp_path / "out.star").read_text() == f"data_x\nloop_\n{expected}1 2 3"


def test_other_programs_files_survive_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    """Every STAR file of RELION, cisTEM, pyem and others is written back as it was."""
    paths = sorted(shared_data.glob("*/*.star"))
    assert paths
    for path in paths:
        document = StarDocument.read(path)
        for block in filter(lambda block: block.is_loop, document.blocks):
            document.write(tmp_path / "out.star", block, {})
            assert (tmp_path / "out.star").read_bytes() == path.read_bytes()


def test_starfile_reads_the_same_cells(shared_data: Path) -> None:
    """An independent reader sees the same blocks, labels and numbers in other programs' files."""
    starfile = pytest.importorskip("starfile")
    for path in sorted(shared_data.glob("*/*.star")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = starfile.read(path, always_dict=True)
        document = StarDocument.read(path)
        assert [block.name for block in document.blocks] == list(expected)
        for block in document.blocks:
            frame = expected[block.name]
            assert list(block.labels) == list(frame.columns)
            numeric = frame.select_dtypes("number")
            found = document.numbers(block, list(numeric.columns))
            for label in numeric.columns:
                np.testing.assert_array_equal(found[label], numeric[label])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00")), min_size=1))
def test_any_text_survives_quoting(texts: list[str]) -> None:
    """Cells that `quote` accepts are split into the same texts again."""
    cells, kept = [], []
    for text in texts:
        try:
            cells.append(quote(text))
            kept.append(text)
        except ValueError:
            assert '"' in text
            assert "'" in text
    found = [cell.decode() for cell in split_row(b" ".join(cells) + b"\r\n")]
    assert found == kept


def test_new_files_are_read_back(tmp_path: Path) -> None:
    """Texts, integers and floats of a new file come back, also where six decimals lose them."""
    columns = {"name": ["a b", ""], "count": np.array([1, 2]), "value": [1.5e-7, -2.25]}
    write_star(tmp_path / "new.star", {"one": columns, "two": {"x": [1]}})
    document = StarDocument.read(tmp_path / "new.star")
    one = document.block("one")
    assert document.texts(one, ["name", "count"]) == {"name": ["a b", ""], "count": ["1", "2"]}
    np.testing.assert_allclose(document.numbers(one, ["value"])["value"], [1.5e-7, -2.25])
    assert document.block_with("x") is document.block("two")


def read_column_b(path: Path) -> np.ndarray:
    """Read the numbers of column b of the first table."""
    document = StarDocument.read(path)
    return document.numbers(document.blocks[0], ["b"])["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a star file\n", "Check that this is the right file."),
        (
            "data_x\nloop_\n_a\n_b\n1 2\n3\n",
            "line 6: 1 value, expected 2, one for each column of data_x. It is '3'. "
            "The file may be cut short, or a text with spaces lacks its quotes.",
        ),
        ("data_x\nloop_\n_a\n_b\n1 2\n3 four\n", "line 6: b is 'four', expected a number."),
        ("data_x\nloop_\n_a\n1\n", "data_x has no b. Give a file with these columns."),
    ],
)
def test_damage_is_described(tmp_path: Path, text: str, message: str) -> None:
    """A damaged file says which line is wrong and what was expected."""
    path = tmp_path / "bad.star"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_column_b(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(message)


def test_missing_file_and_block_are_named(peculiar: StarDocument, tmp_path: Path) -> None:
    """The message holds the path, or the blocks that there are."""
    with pytest.raises(InputError, match=r"none.star: cannot be read \(No such file"):
        StarDocument.read(tmp_path / "none.star")
    with pytest.raises(FormatError, match="no block data_optics; the file holds data_, data_mod"):
        peculiar.block("optics")


def test_full_disk_leaves_the_old_file(
    particle_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the file keeps its content and no temporary file stays."""

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = particle_file.read_bytes()
    document = StarDocument.read(particle_file)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match="disk full while writing; nothing was overwritten"):
        document.write(particle_file, document.block("particles"), {"x": [1, 2, 3, 4]})
    assert particle_file.read_bytes() == before
    assert {path.name for path in particle_file.parent.iterdir()} == {
        "particles.star",
        "stack.mrcs",
    }


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    """Writing where there is no folder says so."""
    with pytest.raises(OutputError, match=r"cannot be written \(No such file or directory\)"):
        write_star(tmp_path / "no" / "x.star", {"x": {"a": [1]}})


@pytest.mark.parametrize("text", ["\n", "\r", "both \" and ' in it"])
def test_texts_that_no_cell_holds_are_refused(tmp_path: Path, text: str) -> None:
    """A name with a line break or both kinds of quotes is named, and nothing is written."""
    with pytest.raises(OutputError, match="does not fit into one cell of a STAR file"):
        write_star(tmp_path / "x.star", {"x": {"a": [text]}})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("row", [b"only_two words", b"a 'b c'"])
def test_short_rows_are_not_written_back(tmp_path: Path, row: bytes) -> None:
    """A row with too few values is refused by its line, not filled with pieces of its cells."""
    path = tmp_path / "x.star"
    path.write_bytes(b"data_x\nloop_\n_a\n_b\n_c\n1 2 3\n" + row + b"\n")
    document = StarDocument.read(path)
    new = {label: [7, 8] for label in ("a", "b", "c")}
    with pytest.raises(FormatError, match=r"x\.star, line 7: 2 values, expected 3"):
        document.write(tmp_path / "y.star", document.blocks[0], new)


def test_quotes_that_never_close_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of opening quotes is walked once: what does not close is not looked for again."""
    searches: list[int] = []
    double = cells.CLOSING[b'"']

    class Watched:
        def search(self, line: bytes, start: int) -> re.Match[bytes] | None:
            searches.append(start)
            return double.search(line, start)

    monkeypatch.setitem(cells.CLOSING, b'"', Watched())  # type: ignore[arg-type]
    row = b'"b c" ' + b'"a ' * 20_000 + b"'b c' 'd"
    spans = list(cells.cell_spans(row))
    assert len(spans) == 20_003
    assert [row[a:b] for a, b in (spans[0], *spans[-2:])] == [b'"b c"', b"'b c'", b"'d"]
    assert len(searches) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.write("x", d.blocks[1], {"a": [1]}), "column a: 1 values for 3 rows"),
        (lambda d: d.write("x", d.blocks[0], {}), "only loops can be edited"),
        (lambda d: d.write("x", d.blocks[1], {"a": [None] * 3}), "a text or a number, not None"),
        (lambda d: d.write("x", d.blocks[1], {"a b": [1] * 3}), "cannot be the label"),
    ],
)
def test_impossible_edits_are_refused(
    peculiar: StarDocument,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[StarDocument], None],
    message: str,
) -> None:
    """Columns that do not fit the table or the format raise before a file appears."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        change(peculiar)
    assert not Path("x").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfdata_a\nloop_\n_x #1\n_y #2\n1 2\n",
        b"data_a\nloop_ # of two columns\n_x #1\n_y #2\n1 2\n",
        b"data_a # of something\n\nloop_\n_x #1\n_y #2\n1 2\n",
        b"DATA_a\nLOOP_\n_x #1\n_y #2\n1 2\n",
        b"Data_a\r\nLoop_  \r\n_x #1\r\n_y #2\r\n1 2\r\n",
    ],
    ids=["byte order mark", "comment behind loop_", "comment behind data_", "capitals", "CRLF"],
)
def test_keywords_as_others_write_them(tmp_path: Path, text: bytes) -> None:
    """A mark before the first line, comments and capitals change nothing, and are kept."""
    path = tmp_path / "a.star"
    path.write_bytes(text)
    document = StarDocument.read(path)
    assert [block.name for block in document.blocks] == ["a"]
    assert document.numbers(document.block("a"), ["x", "y"])["y"].tolist() == [2.0]
    document.write(tmp_path / "b.star", document.block("a"), {})
    assert (tmp_path / "b.star").read_bytes() == text


def test_a_column_that_stands_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    """Neither the first nor the last is taken silently."""
    path = tmp_path / "a.star"
    path.write_text("data_a\nloop_\n_x #1\n_y #2\n_x #3\n1 2 3\n")
    document = StarDocument.read(path)
    with pytest.raises(FormatError, match=r"lines 3 and 5: data_a has two columns x"):
        document.texts(document.block("a"), ["y"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_16_bits_is_told_for_what_it_is(tmp_path: Path, encoding: str) -> None:
    """Editors that save UTF-16 leave no table to be found; the message says why."""
    path = tmp_path / "a.star"
    path.write_text("data_a\n_x 1\n", encoding=encoding)
    with pytest.raises(FormatError, match="encoded as UTF-16"):
        StarDocument.read(path)


def test_columns_that_vary_are_named(tmp_path: Path) -> None:
    """Of the columns asked for that are there, those with more than one value."""
    path = tmp_path / "a.star"
    write_star(path, {"a": {"x": np.arange(3), "y": np.zeros(3), "z": ["a", "a", "b"]}})
    document = StarDocument.read(path)
    assert document.varying(document.block("a"), ["z", "y", "x", "w"]) == ["z", "x"]
