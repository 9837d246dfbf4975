"""Complaints of the validation, in words that users know."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cryofocus.complaints import explain, first_fault, say_unreadable, suggest
from cryofocus.errors import FormatError
from cryofocus.workflows.covary.record import RECORD, CovaryRecord


class Lunch(BaseModel):
    """Something to complain about."""

    model_config = ConfigDict(extra="forbid")

    soup: str
    spoons: int = 1

    @field_validator("soup")
    @classmethod
    def _hot(cls, value: str) -> str:
        if "cold" in value:
            raise ValueError("a hot one")
        return value


def complain(**values: object) -> ValidationError:
    """Validate and return what is wrong."""
    with pytest.raises(ValidationError) as raised:
        Lunch.model_validate(values)
    return raised.value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"soup": "cold"}, "soup: found 'cold', expected a hot one"),
        ({"soup": 3}, "soup: found 3, expected a text, in quotes"),
        ({"soup": "pea", "spoons": [1]}, "spoons: found [1], expected a whole number"),
        ({"spoons": 1}, "soup: missing; give a value"),
        ({"soup": "pea", "spoon": 1}, "spoon: unknown; did you mean spoons?"),
        ({"soup": "pea", "wine": 1}, "wine: unknown; check its spelling"),
    ],
)
def test_words_of_ours(values: dict[str, object], message: str) -> None:
    """Neither "Value error" nor "Input should be" reaches the user."""
    (entry,) = complain(**values).errors()
    name = str(entry["loc"][0])
    assert explain(entry, name, suggest(name, Lunch.model_fields)) == message


def test_the_first_fault_of_a_file() -> None:
    """A damaged file is described by its first fault, without the validator's own prefix."""
    assert first_fault(complain(soup="cold", spoons="x")) == "soup: a hot one"


@pytest.mark.parametrize(
    ("text", "fault"),
    [(None, "No such file or directory"), ("{", "the file: Invalid JSON: EOF"), ("{}", ".+: F")],
)
def test_a_record_of_covariances_that_is_damaged(
    tmp_path: Path, text: str | None, fault: str
) -> None:
    """One line says what is wrong with it, not the validator's whole report."""
    if text is not None:
        (tmp_path / RECORD).write_text(text)
    with pytest.raises(FormatError, match=rf"missing or damaged \({fault}.*\)\. Give") as raised:
        CovaryRecord.read(tmp_path / RECORD)
    assert "\n" not in str(raised.value)


def test_a_neighbour_of_what_is_not_there(tmp_path: Path) -> None:
    """A misspelt file or folder is named as it is spelt; where nothing is alike, nothing is."""
    (tmp_path / "job030").mkdir()
    table = tmp_path / "job030" / "run_data.star"
    table.touch()
    for wrong in (
        "job030/run_date.star",
        "job30/run_data.star",
        "jobb030/rundata.star",
        "job030/run_data.sta",
    ):
        with pytest.raises(OSError) as raised:  # noqa: PT011  # what the system says, as it is
            (tmp_path / wrong).read_bytes()
        assert say_unreadable(tmp_path / wrong, raised.value) == (
            f"{tmp_path / wrong}: cannot be read (No such file or directory). "
            f"Did you mean {table}?"
        )
    for other in ("job030/model.mrc", "Import/run_data.star"):
        with pytest.raises(OSError) as raised:  # noqa: PT011  # what the system says, as it is
            (tmp_path / other).read_bytes()
        assert say_unreadable(tmp_path / other, raised.value).endswith("Check the path.")
