"""`cryofocus collapse`: a symmetry-expanded table back to one row a particle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.expansion import Expansion
from cryofocus.data.relion import (
    EXPANSION_LABELS,
    find_particles,
    read_expansion,
    read_particle_table,
)
from cryofocus.data.star import StarDocument, StarTable
from cryofocus.errors import ParticleError
from cryofocus.workflows.outputs import require_new_table

CLASS_LABEL = "rlnClassNumber"
OPERATOR_CLASSES_LABEL = "cryofocusOperatorClasses"


@dataclass(frozen=True)
class CollapsedTable:
    """What was written.

    Attributes
    ----------
    path : the table.
    n_particles : its rows.
    n_operators : copies that each particle had.
    lists_classes : whether it says the classes of all copies.
    """

    path: Path
    n_particles: int
    n_operators: int
    lists_classes: bool


def collapse(
    expanded: Path | str, output: Path | str, *, overwrite: bool = False
) -> CollapsedTable:
    """Undo `expand`: keep the row of the identity of every particle, in the original order.

    The rows are those that were expanded, byte for byte, without `cryofocusParent` and
    `cryofocusOperator`. Columns that were added since stay with the values of the identity's copy;
    where copies of a particle have different classes, `cryofocusOperatorClasses` lists them all,
    such as [1,2], by operator.

    Parameters
    ----------
    expanded : table written by `expand`, or the particles.star of its classification.
    output : STAR file to write.
    overwrite : replace an existing file.

    Raises
    ------
    InputError
        When the table cannot be used, is not expanded, or a particle lacks some of its copies.
    OutputError
        When the output exists, is the input, or cannot be written.
    """
    expanded, output = Path(expanded), Path(output)
    require_new_table(output, expanded, overwrite=overwrite)
    document = StarDocument.read(expanded)
    table = read_particle_table(document)
    expansion = read_expansion(table)
    if expansion is None:
        raise ParticleError(
            f"{expanded}: not an expanded set: data_{table.block.name} has no "
            f"{' and no '.join(EXPANSION_LABELS)}; expected a table that 'cryofocus expand' "
            "wrote, or its classification. Sets that other programs expanded do not say which row "
            "is the original."
        )
    _require_complete(table, expansion)
    copies = expansion.complete_parents()  # by parent number, which is the original order
    classes = _operator_classes(document, copies)
    columns = {} if classes is None else {OPERATOR_CLASSES_LABEL: classes}
    document.write(output, find_particles(document), columns, copies[:, 0], drop=EXPANSION_LABELS)
    return CollapsedTable(output, len(copies), copies.shape[1], classes is not None)


def _require_complete(table: StarTable, expansion: Expansion) -> None:
    """Refuse a set that lost copies of particles; particles lost with all copies do no harm."""
    n_operators = int(expansion.operators[-1]) + 1
    parents, index = np.unique(expansion.parent_of_particle, return_inverse=True)
    count = np.bincount(index)
    if (count == n_operators).all():
        return
    first = int(np.argmax(count != n_operators))
    there = expansion.operator_of_particle[index == first]
    missing = int(np.setdiff1d(np.arange(n_operators), there)[0])
    raise ParticleError(
        f"{table.path}: {int((count < n_operators).sum())} of {len(parents)} particles lack some "
        f"of their {n_operators} copies (particle {parents[first] + 1} has none under operator "
        f"{missing + 1}): the set was filtered after it was expanded. Expected all copies of "
        "every particle that is left. Collapse before selecting, and select by "
        f"{OPERATOR_CLASSES_LABEL}, which lists the classes of all copies."
    )


def _operator_classes(
    document: StarDocument, copies: Int[np.ndarray, "particle n_operators"]
) -> list[str] | None:
    """Write down the classes of each particle's copies; None if no particle has different ones."""
    block = find_particles(document)
    if CLASS_LABEL not in block.labels:
        return None
    classes = document.numbers(block, [CLASS_LABEL])[CLASS_LABEL][copies].astype(np.int64)
    if (classes == classes[:, :1]).all():
        return None
    return ["[" + ",".join(map(str, row)) + "]" for row in classes.tolist()]
