"""Classes and what they are scored by, in a STAR file that may lack everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.labels import (
    ANGLE_LABELS,
    CLASS_LABEL,
    EXPANSION_LABELS,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import ClassifiedRows
from cryofocus.data.plausible import is_count
from cryofocus.data.relion.columns import read_posteriors
from cryofocus.data.relion.subtracted import intact_label
from cryofocus.data.star.document import StarDocument, StarTable
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError
from cryofocus.maths.rotations import rotation_from_euler

# Images from which density was subtracted have new names, and keep that of the intact one.
INTACT_LABEL = intact_label(IMAGE_LABEL)
MATE_LABEL = "cryofocusClassMate"
JUNK_LABEL = "cryofocusJunk"
NUMERIC_LABELS = (
    *(CLASS_LABEL, MATE_LABEL, JUNK_LABEL, MAX_POSTERIOR_LABEL, EXPANSION_LABELS[1]),
    *(*ANGLE_LABELS, *SHIFT_LABELS),
)


def read_truth(path: Path) -> ClassifiedRows:
    """Read the truth of a simulated set.

    Raises:
        InputError: If it cannot be read or does not say the classes of particles.
    """
    document = StarDocument.read(path)
    block = document.block_with(IMAGE_LABEL)
    if block is None or block.n_rows == 0:
        raise ParticleError(
            f"{path}: no particles found; expected a table with the column {IMAGE_LABEL}"
        )
    return read_rows(document, block)


def read_rows(document: StarDocument, block: StarBlock) -> ClassifiedRows:
    """Read the classes of a table of particles, and what there is beside them.

    Raises:
        FormatError: If a row is damaged.
        ParticleError: If there are no classes, or they are not whole numbers from 1.
    """
    texts = (IMAGE_LABEL, INTACT_LABEL, POSTERIOR_LABEL)
    table = document.read_table(block, numeric=NUMERIC_LABELS, text=texts)
    classes, is_subtracted = _counted(table, CLASS_LABEL), table.has(INTACT_LABEL)
    if classes is None:
        raise ParticleError(
            f"{table.path}: the particle table has no column {CLASS_LABEL}; give a classified "
            "STAR file first and the set's truth.star second"
        )
    posteriors, euler = read_posteriors(table), _stack(table, ANGLE_LABELS)
    junk = table.numbers.get(JUNK_LABEL)
    return ClassifiedRows(
        path=table.path,
        names=table.texts[INTACT_LABEL if is_subtracted else IMAGE_LABEL],
        class_index=classes,
        mate_class_index=_counted(table, MATE_LABEL),
        max_posterior=(
            table.numbers.get(MAX_POSTERIOR_LABEL)
            if posteriors is None
            else np.asarray(posteriors.max(axis=1))
        ),
        rotation=None if euler is None else rotation_from_euler(euler),
        shift_angstrom=None if is_subtracted else _stack(table, SHIFT_LABELS),
        operator=_counted(table, EXPANSION_LABELS[1]),
        is_junk=None if junk is None else junk != 0,
    )


def _stack(table: StarTable, labels: Sequence[str]) -> Float[np.ndarray, "n labels"] | None:
    """Stack columns of numbers; None unless all are there."""
    if not all(map(table.has, labels)):
        return None
    return np.stack([table.numbers[label] for label in labels], axis=1)


def _counted(table: StarTable, label: str) -> Int[np.ndarray, " n"] | None:
    """Count a column of whole numbers from 0 instead of 1; None if it is not there."""
    numbers = table.numbers.get(label)
    if numbers is None:
        return None
    if not is_count(numbers, 1).all():
        raise ParticleError(f"{table.path}: {label} must hold whole numbers from 1")
    return numbers.astype(np.int64) - 1
