"""What is written for programs: one class for the workflow that writes it and all who read it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from cryofocus.complaints import first_fault
from cryofocus.workflows.run.reading import explain_damage
from cryofocus.workflows.run.writing import Cell, write_json, write_table

SomeRecord = TypeVar("SomeRecord", bound="Record")
SomeRow = TypeVar("SomeRow", bound="Row")


class RecordPart(BaseModel):
    """Base of all parts: frozen, tolerant of newer fields, and taking NumPy numbers as numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _unwrap_numpy(cls, value: object) -> object:
        """Turn NumPy scalars and arrays into the plain numbers and lists JSON knows."""
        return _plain(value)


def _plain(value: object) -> object:
    """Strip NumPy from a value."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


class Record(RecordPart):
    """A JSON file; `remedy` says what to do when it is missing or damaged."""

    remedy: ClassVar[str]

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            OutputError: Disk full, no permission.
        """
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls: type[SomeRecord], path: Path) -> SomeRecord:
        """Read the file back.

        Raises:
            FormatError: When it is missing or damaged.
        """
        with explain_damage(path, cls.remedy):
            return cls.model_validate_json(path.read_bytes())


class Row(RecordPart):
    """One row of a table; its fields are the columns, in their order.

    The column of a field with a default is left out where no row fills it. A tuple takes as many
    columns as it has entries, numbered from 1: weight_1, weight_2, ...

    Attributes:
        remedy: What to do when the file is missing or damaged.
        nothing: How None is written.
        columns: Names of columns that are not those of their fields.
        former: Names that columns had in earlier versions, by field.
    """

    remedy: ClassVar[str]
    nothing: ClassVar[str] = ""
    columns: ClassVar[Mapping[str, str]] = {}
    former: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def write(cls: type[SomeRow], path: Path, rows: Sequence[SomeRow]) -> None:
        """Write a table atomically.

        Raises:
            OutputError: Disk full, no permission.
        """
        fields = cls.model_fields.items()
        kept = [
            name
            for name, field in fields
            if field.is_required() or any(getattr(row, name) is not None for row in rows)
        ]
        table: dict[str, list[Cell]] = {}
        for name in kept:
            values = [getattr(row, name) for row in rows]
            if cls._is_numbered(name):
                table |= {
                    f"{cls._column(name)}_{number}": list(entries)
                    for number, entries in enumerate(zip(*values, strict=True), 1)
                }
            else:
                table[cls._column(name)] = [cls.nothing if v is None else v for v in values]
        write_table(path, table)

    @classmethod
    def read(cls: type[SomeRow], path: Path) -> tuple[SomeRow, ...]:
        """Read a table back.

        Raises:
            FormatError: When the file is missing or damaged.
        """
        with explain_damage(path, cls.remedy), path.open(encoding="utf-8", newline="") as handle:
            return tuple(
                cls._parse(number, texts) for number, texts in enumerate(csv.DictReader(handle), 1)
            )

    @classmethod
    def _parse(cls: type[SomeRow], number: int, texts: Mapping[str, str]) -> SomeRow:
        """Turn the texts of a row, numbered from 1, into values."""
        values: dict[str, object] = {}
        for name in cls.model_fields:
            column = cls._column(name)
            if column not in texts:
                column = cls.former.get(name, column)
            if cls._is_numbered(name):
                values[name] = [t for c, t in texts.items() if f"{c}".startswith(f"{column}_")]
            elif column in texts:
                values[name] = None if texts[column] == cls.nothing else texts[column]
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"row {number}, {first_fault(error)}") from error

    @classmethod
    def _column(cls, name: str) -> str:
        return cls.columns.get(name, name)

    @classmethod
    def _is_numbered(cls, name: str) -> bool:
        return get_origin(cls.model_fields[name].annotation) is tuple
