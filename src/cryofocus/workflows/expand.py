"""`cryofocus expand`: every particle once under each symmetry operator, as a table."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Int8

from cryofocus.data.cryosparc.table import CryosparcTable
from cryofocus.data.formats import open_table
from cryofocus.data.half_sets import deal_half_sets
from cryofocus.data.operator_file import read_operators
from cryofocus.data.particle_table import ParticleColumns
from cryofocus.data.relion.columns import (
    ANGLE_LABELS,
    EXPANSION_LABELS,
    HALF_SET_LABEL,
    SHIFT_LABELS,
    SHIFT_PIXEL_LABELS,
    shift_labels,
)
from cryofocus.data.relion.table import RelionTable
from cryofocus.errors import ParticleError, SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.maths.rotations import euler_from_rotation
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows.image_note import note_image_folder
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.new_names import require_format_of, require_new_table
from cryofocus.workflows.subtract.table import has_cut_images

logger = logging.getLogger(__name__)

# Rows written at a time: bounds the memory that their cells take, whatever the number of copies.
ROWS_AT_ONCE = 50_000
Columns = dict[str, np.ndarray | list[str]]


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
        progress: Display; silent by default.

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
    expander = _Expander.open(particles, operators, seed)
    require_format_of(expander.table, output)
    n_particles = expander.table.n_rows
    progress = progress or SilentProgress()
    with progress.task("expanding", n_particles) as advance:
        expander.write(output, advance)
    logger.info("%s", expander.half_sets)
    note_image_folder(output, expander.table)
    return ExpandedTable(output, n_particles, len(operators), expander.half_sets)


@dataclass(frozen=True, eq=False)
class _Expander:
    """A table and what its copies differ in."""

    table: RelionTable | CryosparcTable
    columns: ParticleColumns
    operators: OperatorSet
    half_set: Int8[np.ndarray, " particle"]
    half_sets: str

    @classmethod
    def open(cls, path: Path, operators: OperatorSet, seed: int) -> _Expander:
        table = open_table(path)
        if not isinstance(table, RelionTable | CryosparcTable):
            raise ParticleError(
                f"{path}: found a format that has no place for parents and operators; expected a "
                "RELION STAR table or a cryoSPARC .cs file. Convert it first (cryofocus convert)."
            )
        _require_whole(table)
        columns = table.columns()
        _require_unexpanded(table, columns)
        micrograph = (
            columns.micrographs.of_particle
            if columns.micrographs
            else columns.places.stack_of_particle
        )
        half_set, origin = deal_half_sets(
            columns.half_set, micrograph, np.arange(table.n_rows), seed
        )
        return cls(table, columns, operators, half_set, origin)

    def write(self, output: Path, advance: Advance) -> None:
        """Write all copies."""
        if isinstance(self.table, RelionTable):
            parts = self._star_parts(self.table, advance)
            self.table.document.write_parts(output, self.table.block, parts)
            return
        # Arrays of numbers are small enough to be written in one piece.
        everything = np.arange(self.table.n_rows)
        labels = (*ANGLE_LABELS, *SHIFT_LABELS)
        columns: Columns = dict(zip(labels, self._poses(everything).T, strict=True))
        rows = np.repeat(everything, len(self.operators))
        self.table.write(output, columns | self._marks(everything), rows)
        advance(self.table.n_rows)

    def _star_parts(
        self, table: RelionTable, advance: Advance
    ) -> Iterator[tuple[Int[np.ndarray, " _"], Columns]]:
        """Yield rows and columns of all copies, a few thousand particles at a time."""
        n, known = len(self.operators), table.block.labels
        labels = [*ANGLE_LABELS, *(shift_labels(known) if self.operators.translates else ())]
        texts = table.document.texts(table.block, [label for label in labels if label in known])
        step = max(1, ROWS_AT_ONCE // n)
        for start in range(0, table.n_rows, step):
            parents = np.arange(start, min(start + step, table.n_rows))
            values = self._poses(parents, in_pixels=SHIFT_PIXEL_LABELS[0] in labels)
            columns: Columns = {}
            for label, column in zip(labels, values.T, strict=False):
                cells = [f"{value:.6f}" for value in column.tolist()]
                if label in texts:  # the identity leaves the cell as it was written
                    cells[::n] = texts[label][parents[0] : parents[-1] + 1]
                columns[label] = cells
            yield np.repeat(parents, n), columns | self._marks(parents)
            advance(len(parents))

    def _marks(self, parents: Int[np.ndarray, " k"]) -> Columns:
        """Give half sets, if the table has none of use, parents and operators of all copies."""
        n = len(self.operators)
        marks: Columns = {}
        if not np.array_equal(self.half_set, self.columns.half_set):
            marks[HALF_SET_LABEL] = np.repeat(self.half_set[parents], n)
        marks[EXPANSION_LABELS[0]] = np.repeat(parents + 1, n)
        marks[EXPANSION_LABELS[1]] = np.tile(np.arange(1, n + 1), len(parents))
        return marks

    def _poses(
        self, parents: Int[np.ndarray, " k"], *, in_pixels: bool = False
    ) -> Float[np.ndarray, "copies 5"]:
        """rot, tilt, psi, origin x and y of all copies, as the table has them."""
        data = self.columns
        rotation, shift = self.operators.apply(
            data.rotation[parents], data.shift_angstrom[parents]
        )
        if in_pixels:
            sizes = np.array([group.pixel_size_angstrom for group in data.optics])
            shift = shift / sizes[data.optics_of_particle[parents]][:, None, None]
        return np.hstack([euler_from_rotation(rotation.reshape(-1, 3, 3)), shift.reshape(-1, 2)])


def _require_whole(table: RelionTable | CryosparcTable) -> None:
    """Refuse images cut around a part: symmetry axes do not pass through the middle of those."""
    if isinstance(table, RelionTable) and has_cut_images(table.block.labels):
        raise ParticleError(
            f"{table.path}: images that were cut around a mask, whose middle is not that of the "
            "symmetry; expected whole particles. Expand the table that was subtracted from, then "
            "subtract from the expanded one."
        )


def _require_unexpanded(table: RelionTable | CryosparcTable, columns: ParticleColumns) -> None:
    images = np.stack([columns.places.stack_of_particle, columns.places.slice_of_particle])
    if columns.expansion is None and len(np.unique(images, axis=1).T) == table.n_rows:
        return
    sign = (
        f"it has {EXPANSION_LABELS[1]}"
        if columns.expansion is not None
        else "some images stand in several rows"
    )
    raise ParticleError(
        f"{table.path}: a symmetry-expanded set already ({sign}); expected every particle once. "
        "Expand the table it was made from, or undo the expansion first (cryofocus collapse)."
    )
