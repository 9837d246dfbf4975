"""Columns named as RELION's, said in cryoSPARC's fields; copies, marked as its expansion does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped
from scipy.spatial.transform import Rotation

from cryofocus.data.abilities import CopiedRows
from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.expansion import Expansion, first_repeat
from cryofocus.data.grouping import group_rows
from cryofocus.data.labels import (
    ANGLE_LABELS,
    CLASS_LABEL,
    DEFOCUS_LABELS,
    EXPANSION_LABELS,
    HALF_SET_LABEL,
    LOG_LIKELIHOOD_LABEL,
    MAX_POSTERIOR_LABEL,
    OPERATOR_CLASSES_LABEL,
    OUTLIER_LABEL,
    PHASE_SHIFT_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import Column, require_lengths
from cryofocus.data.plausible import is_count
from cryofocus.maths.rotations import rotation_from_euler

Fields = dict[str, Shaped[np.ndarray, "m ..."]]
IMAGE_FIELDS = ("blob/path", "blob/idx", "blob/shape", "blob/psize_A")
EXPANSION_FIELDS = ("sym_expand/src_uid", "sym_expand/idx")
# Label, field, type, and how a value is said.
Say = Callable[[np.ndarray], np.ndarray]
SIMPLE: dict[str, tuple[str, str, Say]] = {
    CLASS_LABEL: ("alignments3D/class", "<u4", lambda number: number - 1),
    MAX_POSTERIOR_LABEL: ("alignments3D/class_posterior", "<f4", np.asarray),
    HALF_SET_LABEL: ("alignments3D/split", "<u4", lambda number: number - 1),
    LOG_LIKELIHOOD_LABEL: ("cryofocus/log_likelihood", "<f8", np.asarray),
    OUTLIER_LABEL: ("cryofocus/outlier", "<f4", np.asarray),
    POSTERIOR_LABEL: ("cryofocus/class_posterior", "<f4", np.asarray),
    OPERATOR_CLASSES_LABEL: ("cryofocus/operator_classes", "<u4", lambda number: number - 1),
    DEFOCUS_LABELS[0]: ("ctf/df1_A", "<f4", np.asarray),
    DEFOCUS_LABELS[1]: ("ctf/df2_A", "<f4", np.asarray),
    DEFOCUS_LABELS[2]: ("ctf/df_angle_rad", "<f4", np.radians),
    PHASE_SHIFT_LABEL: ("ctf/phase_shift_rad", "<f4", np.radians),
}


def say_in_fields(
    dataset: CsDataset, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
) -> tuple[Fields, tuple[str, ...]]:
    """Translate columns.

    Args:
        dataset: The particles' own fields.
        columns: Mapping of RELION's label to m values.
        rows: Whose columns they are.

    Returns:
        Fields to write, and the labels for which there is none.

    Raises:
        ValueError: If a column has not m values.
    """
    n_rows = dataset.n_rows if rows is None else len(rows)
    require_lengths(columns, n_rows)
    fields: Fields = {}
    lost = []
    for label, column in columns.items():
        if label in SIMPLE:
            name, dtype, say = SIMPLE[label]
            fields[name] = say(np.asarray(column)).astype(dtype)
        elif label not in (*ANGLE_LABELS, *SHIFT_LABELS, *EXPANSION_LABELS):
            lost.append(label)
    if all(label in columns for label in ANGLE_LABELS):
        angles = _stack(columns, ANGLE_LABELS)
        fields["alignments3D/pose"] = rotation_vectors(rotation_from_euler(angles))
    if all(label in columns for label in SHIFT_LABELS):
        pixel = dataset.shift_pixel_angstrom
        pixel = pixel if rows is None else pixel[rows]
        shift = _stack(columns, SHIFT_LABELS)
        fields["alignments3D/shift"] = (shift / pixel[:, None]).astype("<f4")
    if all(label in columns for label in EXPANSION_LABELS):
        operator = np.asarray(columns[EXPANSION_LABELS[1]], np.uint64) - np.uint64(1)
        uids = dataset.uids if rows is None else dataset.uids[rows]
        fields |= mark_copies(uids, operator)
    return fields, tuple(lost)


def _stack(columns: Mapping[str, Column], labels: tuple[str, ...]) -> Shaped[np.ndarray, "m k"]:
    return np.stack([np.asarray(columns[label], np.float64) for label in labels], axis=1)


def mark_copies(
    source_uid: Shaped[np.ndarray, " m"], operator: Shaped[np.ndarray, " m"]
) -> Fields:
    """Give copies under symmetry operators uids of their own, and say of what they are copies.

    Operators count from 0.
    """
    return {
        "uid": mix_uids(source_uid, operator),
        EXPANSION_FIELDS[0]: source_uid,
        EXPANSION_FIELDS[1]: operator.astype("<u4"),
    }


def mix_uids(
    first: Shaped[np.ndarray, " m"], second: Shaped[np.ndarray, " m"]
) -> Shaped[np.ndarray, " m"]:
    """Mix two numbers into a uid: equal pairs give equal uids, others practically never.

    With splitmix64 of Steele, Lea and Flood, OOPSLA 2014.
    """
    return _splitmix(first ^ _splitmix(second + np.uint64(1)))


def _splitmix(values: Shaped[np.ndarray, " m"]) -> Shaped[np.ndarray, " m"]:
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def rotation_vectors(rotation: Shaped[np.ndarray, "m 3 3"]) -> Shaped[np.ndarray, "m 3"]:
    """Give `alignments3D/pose` of rotations A."""
    vectors = Rotation.from_matrix(np.swapaxes(rotation, 1, 2)).as_rotvec()
    return np.asarray(vectors).astype("<f4")


@dataclass(frozen=True, eq=False)
class CryosparcCopies:
    """The copies among the particles of a job; a `CopiesInTable`."""

    dataset: CsDataset

    @property
    def unmarked(self) -> str:
        """Name the fields that are not there."""
        return f"no {' and '.join(EXPANSION_FIELDS)} that tell copies apart"

    def read(self) -> Expansion | None:
        """Read parents and operators; None where they do not tell copies apart, as for helices."""
        if not all(map(self.dataset.has, EXPANSION_FIELDS)):
            return None
        source = self.dataset.column(EXPANSION_FIELDS[0])
        operators = self.dataset.numbers(EXPANSION_FIELDS[1])
        if source.ndim != 1 or not is_count(operators).all():
            return None
        parent = group_rows([source])[1].astype(np.int64)
        operator = operators.astype(np.int64)
        if first_repeat(parent, operator) is not None:
            return None
        return Expansion(parent, operator)

    def write(self, path: Path, parts: Iterable[CopiedRows]) -> None:
        """Write copies, all in one piece: numbers are small; see `CopiesInTable`."""
        pieces = [(part.rows, part.poses() | part.marks()) for part in parts]
        rows = np.concatenate([rows for rows, _ in pieces])
        columns = {
            label: np.concatenate([columns[label] for _, columns in pieces])
            for label in pieces[0][1]
        }
        self.dataset.write(path, say_in_fields(self.dataset, columns, rows)[0], rows)

    def write_parents(
        self, path: Path, columns: Mapping[str, np.ndarray], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Write one copy of each particle, with the uid it had; see `CopiesInTable`."""
        fields = say_in_fields(self.dataset, columns, rows)[0]
        fields["uid"] = self.dataset.column(EXPANSION_FIELDS[0])[rows]
        self.dataset.write(path, fields, rows, drop=EXPANSION_FIELDS)
