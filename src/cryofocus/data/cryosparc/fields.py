"""Columns named as RELION's, said in cryoSPARC's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped
from scipy.spatial.transform import Rotation

from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.labels import (
    ANGLE_LABELS,
    CLASS_LABEL,
    DEFOCUS_LABELS,
    EXPANSION_LABELS,
    HALF_SET_LABEL,
    LOG_LIKELIHOOD_LABEL,
    MAX_POSTERIOR_LABEL,
    OPERATOR_CLASSES_LABEL,
    PHASE_SHIFT_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import Column, require_lengths
from cryofocus.maths.rotations import rotation_from_euler

Fields = dict[str, Shaped[np.ndarray, "m ..."]]
EXPANSION_FIELDS = ("sym_expand/src_uid", "sym_expand/idx")
# Label, field, type, and how a value is said.
Say = Callable[[np.ndarray], np.ndarray]
SIMPLE: dict[str, tuple[str, str, Say]] = {
    CLASS_LABEL: ("alignments3D/class", "<u4", lambda number: number - 1),
    MAX_POSTERIOR_LABEL: ("alignments3D/class_posterior", "<f4", np.asarray),
    HALF_SET_LABEL: ("alignments3D/split", "<u4", lambda number: number - 1),
    LOG_LIKELIHOOD_LABEL: ("cryofocus/log_likelihood", "<f8", np.asarray),
    POSTERIOR_LABEL: ("cryofocus/class_posterior", "<f4", np.asarray),
    OPERATOR_CLASSES_LABEL: ("cryofocus/operator_classes", "<u4", lambda number: number - 1),
    DEFOCUS_LABELS[0]: ("ctf/df1_A", "<f4", np.asarray),
    DEFOCUS_LABELS[1]: ("ctf/df2_A", "<f4", np.asarray),
    DEFOCUS_LABELS[2]: ("ctf/df_angle_rad", "<f4", np.radians),
    PHASE_SHIFT_LABEL: ("ctf/phase_shift_rad", "<f4", np.radians),
}


@dataclass(frozen=True, eq=False)
class SaidFields:
    """Fields to write, and the labels for which there is none."""

    fields: Fields
    lost: tuple[str, ...]


def say_in_fields(
    dataset: CsDataset, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
) -> SaidFields:
    """Translate columns.

    Args:
        dataset: The particles' own fields.
        columns: Mapping of RELION's label to m values.
        rows: Whose columns they are.

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
        has_own_size = dataset.has("alignments3D/psize_A")
        pixel = dataset.numbers("alignments3D/psize_A" if has_own_size else "blob/psize_A")
        pixel = pixel if rows is None else pixel[rows]
        shift = _stack(columns, SHIFT_LABELS)
        fields["alignments3D/shift"] = (shift / pixel[:, None]).astype("<f4")
    if all(label in columns for label in EXPANSION_LABELS):
        operator = np.asarray(columns[EXPANSION_LABELS[1]], np.uint64) - np.uint64(1)
        uids = dataset.uids if rows is None else dataset.uids[rows]
        fields |= mark_copies(uids, operator)
    return SaidFields(fields, tuple(lost))


def _stack(columns: Mapping[str, Column], labels: tuple[str, ...]) -> Shaped[np.ndarray, "m k"]:
    return np.stack([np.asarray(columns[label], np.float64) for label in labels], axis=1)


def mark_copies(
    source_uid: Shaped[np.ndarray, " m"], operator: Shaped[np.ndarray, " m"]
) -> Fields:
    """Give copies under symmetry operators uids of their own, and say of what they are copies.

    Args:
        source_uid: Particle that was copied.
        operator: From 0.
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

    Args:
        first: Numbers to mix.
        second: Numbers to mix them with.
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
