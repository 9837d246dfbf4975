"""Symmetry-expanded sets: rows that are copies of one particle image under symmetry operators.

cryofocus marks copies by two columns, the row of the parent in the table that was expanded and the
number of the operator. Other programs repeat rows that differ in nothing but the pose; there the
image says who belongs together. Copies are never independent: they share one image, so whatever
splits particles into half sets has to keep them together.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.errors import ParticleError

logger = logging.getLogger(__name__)

# Poses that agree to so many decimals (matrix elements; shifts in Å) are the same.
SAME_DECIMALS = 5


@dataclass(frozen=True, eq=False)
class Expansion:
    """Which rows are copies of which particle, and under which operator.

    Attributes:
        parent_of_particle: Equal numbers: copies of one particle. Counted from 0 in the set that
            was expanded.
        operator_of_particle: From 0, which is the identity; in order of appearance where the file
            does not say.

    Raises:
        ValueError: If lengths differ, a number is negative, or a parent has an operator twice.
    """

    parent_of_particle: Int[np.ndarray, " n"]
    operator_of_particle: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        parent, operator = self.parent_of_particle, self.operator_of_particle
        if len(parent) != len(operator):
            raise ValueError(f"{len(parent)} parents, but {len(operator)} operators")
        if len(parent) and min(parent.min(), operator.min()) < 0:
            raise ValueError("parents and operators are counted from 0")
        if first_repeat(parent, operator) is not None:
            raise ValueError("a parent has two copies under one operator")

    def __len__(self) -> int:
        """Count the copies."""
        return len(self.parent_of_particle)

    @property
    def n_parents(self) -> int:
        """Number of different particles."""
        return len(np.unique(self.parent_of_particle))

    @property
    def operators(self) -> Int[np.ndarray, " n_operators"]:
        """Numbers of the operators that occur, ascending."""
        return np.unique(self.operator_of_particle)

    def of_parent(self, values: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
        """Give every copy the value of its parent's first row."""
        _, first, index = np.unique(
            self.parent_of_particle, return_index=True, return_inverse=True
        )
        return np.asarray(values[first[index]])

    def take(self, indices: Int[np.ndarray, " m"]) -> Expansion:
        """Return chosen copies, in the order asked for."""
        return Expansion(self.parent_of_particle[indices], self.operator_of_particle[indices])

    def complete_parents(self) -> Int[np.ndarray, "n_parents n_operators"]:
        """Give the rows of the parents that have every operator, by parent and operator."""
        order = np.lexsort((self.operator_of_particle, self.parent_of_particle))
        _, start, count = np.unique(
            self.parent_of_particle[order], return_index=True, return_counts=True
        )
        n_operators = len(self.operators)
        places = start[count == n_operators][:, None] + np.arange(n_operators)
        return np.asarray(order[places])


def first_repeat(*columns: Int[np.ndarray, " n"]) -> tuple[int, int] | None:
    """Return the first two rows that agree in every column, or None."""
    order = np.lexsort(columns[::-1])
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in columns:
        same &= np.diff(column[order]) == 0
    if not same.any():
        return None
    # The sort is stable: of equal rows, the earlier stands first.
    place = np.flatnonzero(same)[np.argmin(order[:-1][same])]
    return int(order[place]), int(order[place + 1])


@runtime_checkable
class NamedRows(Protocol):
    """A table as messages name it and its rows."""

    @property
    def path(self) -> Path:
        """The file."""

    def row_name(self, row: int) -> str:
        """Name a row."""


def find_copies(
    table: NamedRows,
    places: ImagePlaces,
    pose: tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]],
    half_set: Int[np.ndarray, " n"],
    marked: Expansion | None,
) -> tuple[Expansion | None, Int[np.ndarray, " n"]]:
    """Tell copies under symmetry operators from duplicates, and put them into one half set.

    Args:
        table: Whose rows they are, for messages.
        places: Image of each row.
        pose: Rotation and shift of each row.
        half_set: As the file says: 1 or 2, 0 if not given.
        marked: Copies as the file marks them; None if it marks none.

    Returns:
        The copies, None if every image occurs once; and half sets that no image straddles.

    Raises:
        ParticleError: If an image occurs twice with one pose, or copies show different images.
    """
    images = _images(places)
    if rows := _find_duplicate(images, *pose):
        raise ParticleError(
            f"{table.path}: the image {places.name(rows[0])} stands in {table.row_name(rows[0])} "
            f"and {table.row_name(rows[1])} with the same pose; expected every image once, or, in "
            "a symmetry-expanded set, once under each operator. Remove the duplicates."
        )
    name = str(table.path)
    if marked is None:
        expansion = _infer(images, name)
    else:
        expansion = marked
        _check_marked(marked, places, name)
    return expansion, half_set if expansion is None else _unite(half_set, expansion, name)


def _check_marked(expansion: Expansion, places: ImagePlaces, name: str) -> None:
    """Check that copies of one parent show one image, or every copy its own; log how many.

    Images from which density was subtracted at each copy's pose differ from copy to copy.
    """
    parent, images = expansion.parent_of_particle, _images(places)
    other = np.flatnonzero(images != expansion.of_parent(images))
    if other.size and len(np.unique(images)) < len(images):
        row = int(other[0])
        first = int(np.argmax(parent == parent[row]))
        raise ParticleError(
            f"{name}: the copies of particle {parent[row] + 1} show different images "
            f"({places.name(first)} and {places.name(row)}); expected one image. "
            "Expanded tables cannot be joined: join the tables first, then expand."
        )
    logger.info(
        "%s: %d rows are copies of %d particles under %d symmetry operators",
        *(name, len(expansion), expansion.n_parents, len(expansion.operators)),
    )


def _infer(images: Int[np.ndarray, " n"], name: str) -> Expansion | None:
    """Find copies in a table that does not mark them: the same image with other poses.

    Parents are numbered by their first row.
    """
    _, first, index, count = np.unique(
        images, return_index=True, return_inverse=True, return_counts=True
    )
    if (count == 1).all():
        return None
    order = np.argsort(index, kind="stable")
    operator = np.empty(len(images), np.int64)
    operator[order] = np.arange(len(images)) - np.repeat(np.cumsum(count) - count, count)
    is_regular = bool((count == count[0]).all())
    logger.log(
        logging.INFO if is_regular else logging.WARNING,
        "%s: %d rows show %d images, %s times each, with different poses; they are taken for "
        "copies under symmetry operators, and all copies of an image stay in one half set%s",
        *(name, len(images), len(count), count[0] if is_regular else "not equally many"),
        "." if is_regular else ". If they are duplicates, remove them.",
    )
    return Expansion(first[index].astype(np.int64), operator)


def _find_duplicate(
    images: Int[np.ndarray, " n"],
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
) -> tuple[int, int] | None:
    """Return the first two rows with the same image, pose and shift, or None."""
    _, index, count = np.unique(images, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(count[index] > 1)
    if not repeated.size:
        return None
    pose = np.hstack([rotation[repeated].reshape(-1, 9), shift_angstrom[repeated]])
    columns = np.rint(pose * 10.0**SAME_DECIMALS).astype(np.int64).T
    found = first_repeat(images[repeated], *columns)
    return None if found is None else (int(repeated[found[0]]), int(repeated[found[1]]))


def _unite(
    half_set: Int[np.ndarray, " n"], expansion: Expansion, name: str
) -> Int[np.ndarray, " n"]:
    """Give every copy the half set of its parent's first row; warn if that changes any."""
    united = expansion.of_parent(half_set)
    n_split = len(np.unique(expansion.parent_of_particle[united != half_set]))
    if n_split:
        logger.warning(
            "%s: copies of the same image are in both half sets (%d of %d images), so that no FSC "
            "between them can be trusted; every copy was given the half set of its image's first "
            "row. The poses may be biased the same way: assign half sets before expanding.",
            *(name, n_split, expansion.n_parents),
        )
    return united


def _images(places: ImagePlaces) -> Int[np.ndarray, " n"]:
    """One number for each different image."""
    n_slices = int(places.slice_of_particle.max(initial=0)) + 1
    stack = places.stack_of_particle.astype(np.int64)
    return np.asarray(stack * n_slices + places.slice_of_particle)
