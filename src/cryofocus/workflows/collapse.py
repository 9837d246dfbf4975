"""`cryofocus collapse`: a symmetry-expanded table back to one row per particle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.calls import checked
from cryofocus.data.expansion import Expansion
from cryofocus.data.formats import open_table
from cryofocus.data.labels import OPERATOR_CLASSES_LABEL
from cryofocus.data.particle_table import ParticleTable
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.errors import ParticleError
from cryofocus.workflows.run.new_names import require_format_of, require_new_table


@dataclass(frozen=True)
class CollapsedTable:
    """What was written.

    Attributes:
        path: The table.
        n_particles: Its rows.
        n_operators: Copies that each particle had.
        lists_classes: Whether it says the classes of all copies.
    """

    path: Path
    n_particles: int
    n_operators: int
    lists_classes: bool


@checked
def collapse(
    expanded: Path | str, output: Path | str, *, overwrite: bool = False
) -> CollapsedTable:
    """Undo `expand`: keep the row of the identity of every particle, in the original order.

    The rows are those that were expanded, byte for byte, without `cryofocusParent` and
    `cryofocusOperator`; those of a .cs file have their own uids again. Columns that were added
    since stay with the values of the identity's copy; where copies of a particle have different
    classes, `cryofocusOperatorClasses` lists them all, such as [1,2], by operator
    (`cryofocus/operator_classes` in a .cs file, from 0 as all classes there).

    Args:
        expanded: Table written by `expand`, or its classification; RELION STAR or cryoSPARC .cs.
        output: Table to write, in the same format.
        overwrite: Replace an existing file.

    Raises:
        InputError: When the table cannot be used, is not expanded, or a particle lacks some of its
            copies.
        SettingError: When the output's name is not one of the table's format.
        OutputError: When the output exists, is the input, or cannot be written.
    """
    expanded, output = Path(expanded), Path(output)
    require_new_table(output, expanded, overwrite=overwrite)
    table = open_table(expanded)
    if table.copies is None:
        raise ParticleError(
            f"{expanded}: found a format that has no place for parents and operators; expected a "
            "RELION STAR table or a cryoSPARC .cs file, as 'cryofocus expand' writes them. Tables "
            "of other programs are converted before they are expanded (cryofocus convert)."
        )
    require_format_of(table, output)
    expansion = table.copies.read()
    if expansion is None:
        raise ParticleError(
            f"{expanded}: not an expanded set: {table.copies.unmarked}; expected a table that "
            "'cryofocus expand' wrote, or its classification. Sets that other programs expanded "
            "do not say which row is the original."
        )
    _require_complete(expanded, expansion)
    copies = expansion.complete_parents()  # by parent number, which is the original order
    classes = _operator_classes(table, copies)
    columns = {} if classes is None else {OPERATOR_CLASSES_LABEL: classes}
    table.copies.write_parents(output, columns, copies[:, 0])
    note_image_folder(output, table)
    return CollapsedTable(output, len(copies), copies.shape[1], classes is not None)


def _require_complete(path: Path, expansion: Expansion) -> None:
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
        f"{path}: {int((count < n_operators).sum())} of {len(parents)} particles lack some "
        f"of their {n_operators} copies (particle {parents[first] + 1} has none under operator "
        f"{missing + 1}): the set was filtered after it was expanded. Expected all copies of "
        "every particle that is left. Collapse before selecting, and select by "
        f"{OPERATOR_CLASSES_LABEL}, which lists the classes of all copies."
    )


def _operator_classes(
    table: ParticleTable, copies: Int[np.ndarray, "particle n_operators"]
) -> Int[np.ndarray, "particle n_operators"] | None:
    """Give the class numbers of each particle's copies; None if no particle has different ones."""
    held = table.classes()
    if held is None:
        return None
    classes = held.class_index[copies] + 1
    return None if (classes == classes[:, :1]).all() else classes
