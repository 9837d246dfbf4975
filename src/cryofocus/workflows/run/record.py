"""What is written for programs: one class for the workflow that writes it and all who read it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from cryofocus.workflows.run.reading import explain_damage
from cryofocus.workflows.run.writing import write_json

SomeRecord = TypeVar("SomeRecord", bound="Record")


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
