"""`cryofocus expand`: every particle once under each symmetry operator, as a table."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int8

from cryofocus.calls import checked
from cryofocus.data.abilities import CopiedRows, CopiesInTable
from cryofocus.data.formats import open_table
from cryofocus.data.half_sets import deal_half_sets
from cryofocus.data.labels import EXPANSION_LABELS
from cryofocus.data.operator_file import read_operators
from cryofocus.data.particle_table import ParticleColumns, ParticleTable
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.errors import ParticleError, SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.new_names import require_format_of, require_new_table

logger = logging.getLogger(__name__)

# Rows written at a time: bounds the memory that their cells take, whatever the number of copies.
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class ExpandedTable:
    """What was written.

    Attributes:
        path: The table.
        n_particles: Rows of the table that was expanded.
        n_operators: Copies of each.
        half_sets: Where the half sets came from, a sentence.
    """

    path: Path
    n_particles: int
    n_operators: int
    half_sets: str


@checked
def choose_operators(
    symmetry: str | None = None,
    helical: tuple[float, float, int] | None = None,
    operators: Path | str | None = None,
) -> OperatorSet:
    """Make the operators that a user asked for in one of three ways.

    Args:
        symmetry: Point group, such as C2 or I1.
        helical: Twist in degrees, rise in Å and number of copies.
        operators: File of operators, see `cryofocus.data.operator_file`.

    Raises:
        SettingError: When not exactly one is given, the group is unknown or the helix impossible.
        InputError: When the file cannot be used.
    """
    if sum(choice is not None for choice in (symmetry, helical, operators)) != 1:
        raise SettingError(
            "operators: expected exactly one of --symmetry GROUP, --helical TWIST,RISE,N and "
            "--operators FILE. Give one of them."
        )
    if symmetry is not None:
        return OperatorSet.point_group(symmetry)
    if helical is not None:
        return OperatorSet.helix(*helical)
    return read_operators(operators or "")


@shown
def expand(
    particles: Path | str,
    operators: OperatorSet,
    output: Path | str,
    *,
    seed: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExpandedTable:
    """Write every particle once under each operator; images are not touched.

    Copies follow their particle, the identity first. Each keeps the particle's whole row but for
    the pose, and says `cryofocusParent` (row in `particles`, from 1) and `cryofocusOperator`
    (from 1). A table without half sets is given them before it is expanded, so that no program
    can put copies of one image into both.

    Args:
        particles: RELION table, or cryoSPARC's .cs (then `sym_expand/*` marks the copies).
        operators: From `choose_operators`, or `OperatorSet.point_group`, `OperatorSet.helix`.
        output: File to write, in the format of `particles`.
        seed: Of half sets, where the table gives none.
        overwrite: Replace an existing file.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When the table cannot be used or is expanded already.
        SettingError: When there is no operator but the identity, or the name does not fit the
            format.
        OutputError: When the output exists, is the input, or cannot be written.
    """
    particles, output = Path(particles), Path(output)
    require_new_table(output, particles, overwrite=overwrite)
    if len(operators) == 1:
        raise SettingError(
            f"symmetry: {operators.name} has no operator but the identity, so there is nothing to "
            "expand. Give the symmetry of the map."
        )
    table = open_table(particles)
    columns, marked = _read_whole(table)
    require_format_of(table, output)
    micrographs = columns.micrographs
    micrograph = micrographs.of_particle if micrographs else columns.places.stack_of_particle
    half_set, origin = deal_half_sets(columns.half_set, micrograph, np.arange(table.n_rows), seed)
    assert progress is not None  # shown gives one
    with progress.task("expanding", table.n_rows) as advance:
        marked.write(output, _copy_rows(columns, operators, half_set, advance))
    logger.info("%s", origin)
    note_image_folder(output, table)
    return ExpandedTable(output, table.n_rows, len(operators), origin)


def _read_whole(table: ParticleTable) -> tuple[ParticleColumns, CopiesInTable]:
    """Read whole particles that are not expanded, from a table that can mark their copies."""
    if table.copies is None:
        raise ParticleError(
            f"{table.path}: found a format that has no place for parents and operators; expected "
            "a RELION STAR table or a cryoSPARC .cs file. Convert it first (cryofocus convert)."
        )
    # Symmetry axes do not pass through the middle of images cut around a part.
    if table.subtracted is not None and table.subtracted.are_cut:
        raise ParticleError(
            f"{table.path}: images that were cut around a mask, whose middle is not that of the "
            "symmetry; expected whole particles. Expand the table that was subtracted from, then "
            "subtract from the expanded one."
        )
    columns = table.columns()
    images = np.stack([columns.places.stack_of_particle, columns.places.slice_of_particle])
    if columns.expansion is not None or len(np.unique(images, axis=1).T) < table.n_rows:
        sign = (
            f"it has {EXPANSION_LABELS[1]}"
            if columns.expansion is not None
            else "some images stand in several rows"
        )
        raise ParticleError(
            f"{table.path}: a symmetry-expanded set already ({sign}); expected every particle "
            "once. Expand the table it was made from, or undo the expansion first (cryofocus "
            "collapse)."
        )
    return columns, table.copies


def _copy_rows(
    columns: ParticleColumns,
    operators: OperatorSet,
    half_set: Int8[np.ndarray, " particle"],
    advance: Advance,
) -> Iterator[CopiedRows]:
    """Yield the copies of a few thousand particles at a time."""
    n, step = len(columns.rotation), max(1, ROWS_AT_ONCE // len(operators))
    has_own = np.array_equal(half_set, columns.half_set)
    for start in range(0, n, step):
        parents = np.arange(start, min(start + step, n))
        rotation, shift = operators.apply(
            columns.rotation[parents], columns.shift_angstrom[parents]
        )
        yield CopiedRows(
            parents,
            rotation,
            shift if operators.translates else None,
            None if has_own else half_set[parents],
        )
        advance(len(parents))
