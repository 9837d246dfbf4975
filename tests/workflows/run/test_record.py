"""A table of a run directory: what one class writes, the same class reads."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from cryofocus.errors import FormatError
from cryofocus.workflows.run.record import Row


class Soup(Row):
    """A row with all that rows can have."""

    remedy = "Cook it again."
    columns: ClassVar = {"class_number": "class"}
    former: ClassVar = {"salt": "brine"}

    class_number: int
    salt: float | None
    weight: tuple[float, ...] = ()
    remark: str | None = None


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    """Renamed, empty and numbered columns are written under their names and read back."""
    rows = [
        Soup(class_number=np.int64(1), salt=np.float64(0.25), weight=(0.5, 0.125)),
        Soup(class_number=2, salt=None, weight=(1.0, 0.0)),
    ]
    path = tmp_path / "soup.csv"
    Soup.write(path, rows)
    assert path.read_text() == "class,salt,weight_1,weight_2\n1,0.25,0.5,0.125\n2,,1,0\n"
    assert Soup.read(path) == tuple(rows)


def test_former_names_of_columns_are_read(tmp_path: Path) -> None:
    """A table of an earlier version is read under the names of now."""
    path = tmp_path / "soup.csv"
    path.write_text("class,brine\n1,0.5\n")
    assert Soup.read(path) == (Soup(class_number=1, salt=0.5),)


def test_columns_that_may_be_missing_are_written_where_a_row_has_them(tmp_path: Path) -> None:
    """A column with a default is there when one row fills it, and not in an empty table."""
    path = tmp_path / "soup.csv"
    rows = [Soup(class_number=1, salt=1.0), Soup(class_number=2, salt=1.0, remark="hot, red")]
    Soup.write(path, rows)
    assert path.read_text() == 'class,salt,remark\n1,1,\n2,1,"hot, red"\n'
    assert Soup.read(path) == tuple(rows)
    Soup.write(path, [])
    assert path.read_text() == "class,salt\n"
    assert Soup.read(path) == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("class,salt\n1,2\none,1\n", "row 2, class_number: Input should be a valid integer"),
        ("salt\n1\n", "row 1, class_number: Field required"),
        (None, "No such file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str | None, fault: str) -> None:
    """A table that is missing or damaged is named with row, fault and remedy."""
    path = tmp_path / "soup.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FormatError, match=rf"soup\.csv: missing or damaged \({fault}") as raised:
        Soup.read(path)
    assert str(raised.value).endswith("Cook it again.")


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    """An infinite resolution, of half maps that never agree, survives the file."""
    path = tmp_path / "soup.csv"
    Soup.write(path, [Soup(class_number=1, salt=float("inf"))])
    assert Soup.read(path)[0].salt == float("inf")
