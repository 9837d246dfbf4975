"""Which true states count as one when a classification is scored.

A table of states, such as the states.csv of a simulated set, has one row a state: its number in
`class` or `state`, and in other columns whatever the states may be grouped by.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cryofocus.complaints import cut, show
from cryofocus.errors import InputError

NUMBER_COLUMNS = ("class", "state")
GROUP_COLUMN = "group"
STATES = "states.csv"
NOT_GROUPS = (*NUMBER_COLUMNS, "map", "share")
EXAMPLE = "expected columns class (or state) and group"
# Of a state that the table does not list.
LEFT_OUT = -1
MAX_STATES = 100_000


@dataclass(frozen=True, eq=False)
class StateGroups:
    """Groups of true states.

    Attributes:
        path: The table.
        names: Of the groups: numbers in their order, otherwise alphabetic.
        group_of_state: Index into `names` of every state, counted from 0; -1 for states that
            the table does not list.
    """

    path: Path
    names: tuple[str, ...]
    group_of_state: Int[np.ndarray, " states"]

    @classmethod
    def read(cls, source: Path | str) -> StateGroups:
        """Read a table of states.

        Args:
            source: The CSV file; the column to group by stands behind a colon
                (`states.csv:ef_g`), or is called `group`, or is the only one beside the number.

        Raises:
            InputError: If the file cannot be read, lacks a column, or does not tell two groups.
        """
        path, column = _split(str(source))
        rows = _read_rows(path)
        number, column = _choose_columns(path, list(rows[0]), column)
        group = {_whole(path, row, number): row[column].strip() for row in rows}
        if len(group) != len(rows):
            raise InputError(f"{path}: a state occurs twice in column {number}; list each once")
        names = tuple(sorted({*group.values()}, key=_order))
        if "" in names or len(names) < 2:
            found = "an empty field" if "" in names else f"only {show(names[0])}"
            raise InputError(
                f"{path}: column {cut(column)} holds {found}; expected the group of each state, "
                "two groups or more. Name another column behind a colon, or leave out the row of "
                "a state that shall not count"
            )
        of_state = np.full(max(group), LEFT_OUT)
        of_state[[state - 1 for state in group]] = [names.index(name) for name in group.values()]
        return cls(path, names, of_state)

    def of(self, state: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Return the group of some states, counted from 0; -1 for those that are left out."""
        is_listed = state < len(self.group_of_state)
        return np.where(is_listed, self.group_of_state[np.where(is_listed, state, 0)], LEFT_OUT)

    def add_up(self, posteriors: Float[np.ndarray, "n states"]) -> Float[np.ndarray, "n groups"]:
        """Add up the posteriors of the states of each group.

        Raises:
            InputError: If there is not one column a state.
        """
        n_states = posteriors.shape[1]
        if n_states < len(self.group_of_state):
            raise InputError(
                f"{self.path}: lists states up to {len(self.group_of_state)}, but the oracle "
                f"knows {n_states}; give the oracle of the same set that has one column a state "
                "(oracle.npy)"
            )
        group = self.of(np.arange(n_states))
        members = (group[:, None] == np.arange(len(self.names))).astype(np.float64)
        return np.asarray(posteriors @ members)


def find_groupings(truth: Path | str) -> tuple[str, ...]:
    """Return what the states beside a truth may be grouped by, as `StateGroups.read` takes it.

    Args:
        truth: The truth of a simulated set, beside which states.csv may lie.
    """
    table = Path(truth).with_name(STATES)
    try:
        columns = list(_read_rows(table)[0])
    except InputError:
        return ()
    return tuple(f"{table}:{name}" for name in columns if name not in NOT_GROUPS)


def _split(source: str) -> tuple[Path, str | None]:
    """Tell a file from the column behind it; a file that is there may have a colon in its name."""
    name, colon, column = source.rpartition(":")
    if not colon or Path(source).is_file():
        return Path(source), None
    return Path(name), column


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            table = csv.reader(handle, strict=True)
            head = [name.strip() for name in next(table, [])]
            lines = [line for line in table if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as a CSV table ({error}); {EXAMPLE}, such as states.csv of a "
            "simulated set"
        ) from error
    if not lines:
        raise InputError(f"{path}: holds no states; {EXAMPLE}, and one row a state")
    for line in lines:
        if len(line) != len(head):
            raise InputError(
                f"{path}: a row has {len(line)} fields ({cut(','.join(line))}), expected "
                f"{len(head)}, as many as there are columns; correct that row"
            )
    return [dict(zip(head, line, strict=True)) for line in lines]


def _choose_columns(path: Path, columns: Sequence[str], wanted: str | None) -> tuple[str, str]:
    """Name the column of the states' numbers and the one to group by."""
    number = next((name for name in NUMBER_COLUMNS if name in columns), None)
    if number is None:
        raise InputError(f"{path}: has the columns {cut(', '.join(columns))}; {EXAMPLE}")
    others = [name for name in columns if name != number]
    column = wanted
    if wanted is None:
        column = others[0] if len(others) == 1 else GROUP_COLUMN
    if column not in others:
        raise InputError(
            f"{path}: has no column {column}; found {cut(', '.join(others)) or 'none'} beside "
            f"{number}. Say which to group by behind a colon ({path.name}:COLUMN)"
        )
    return number, column


def _whole(path: Path, row: Mapping[str, str], number: str) -> int:
    """Read the number of a state."""
    text = row[number].strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_STATES))
    if not is_number or not 1 <= int(text) <= MAX_STATES:
        raise InputError(
            f"{path}: found {show(row[number])} in column {number}, expected whole numbers from "
            "1, those of rlnClassNumber in the truth"
        )
    return int(text)


def _order(name: str) -> tuple[bool, float, str]:
    """Sort numbers by their value, before texts."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
