"""Particles: their images' places, poses, CTFs and groups, validated when read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cryofocus.calls import checked, require_kinds
from cryofocus.data.expansion import Expansion, find_copies
from cryofocus.data.foreign.doubts import doubts_of_views
from cryofocus.data.formats import open_table
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import Column, ParticleColumns, ParticleTable, Supplement
from cryofocus.data.plausible import require_shown
from cryofocus.data.stack_check import check_stacks
from cryofocus.data.stack_paths import join_same_files, locate_stacks
from cryofocus.errors import InputError, ParticleError
from cryofocus.formatting import format_count
from cryofocus.maths.ctf import CtfParameters
from cryofocus.maths.rotations import euler_from_rotation
from cryofocus.maths.symmetry import OperatorSet, derive_operators

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

ORTHOGONALITY_TOLERANCE = 1e-6
# So many particles have more than one view, if not all their angles, at most 6.28 each, are taken
# for degrees.
MANY, LARGEST_OF_RADIANS = 20, 19.0
# Enough to average out what a refinement after the expansion did to the poses of copies.
PARENTS_LOOKED_AT = 1000


@dataclass(frozen=True, eq=False, repr=False)
class ParticleSet:
    """Particles in the conventions of this package.

    Attributes:
        table: The file they were read from.
        row_of_particle: Row of the table.
        stack_paths: Files of images.
        stack_of_particle: Index into `stack_paths`.
        slice_of_particle: Image of the stack, from 0.
        rotation: A of `cryofocus.maths.rotations`.
        shift_angstrom: x, y of the shift that, added to the image, centres the particle
            (rlnOriginX/YAngst).
        ctf: Of the n particles.
        optics: Optics groups of the particles.
        optics_of_particle: Index into `optics`.
        half_set: 1 or 2; 0 if not given.
        micrograph_of_particle: Equal numbers: same micrograph (same stack, if the table names no
            micrographs).
        box: Edge of the images as `ImageReader` gives them: that of the largest optics group.
        pixel_size_angstrom: Å per pixel of these images.
        expansion: Which particles are copies of one image under symmetry operators; None if none
            are.
        weight: How much each particle counts, 0 to 1; None where all count fully.
    """

    table: ParticleTable | None
    row_of_particle: Int[np.ndarray, " n"]
    stack_paths: tuple[Path, ...]
    stack_of_particle: Int[np.ndarray, " n"]
    slice_of_particle: Int[np.ndarray, " n"]
    rotation: Float[np.ndarray, "n 3 3"]
    shift_angstrom: Float[np.ndarray, "n 2"]
    ctf: CtfParameters
    optics: tuple[OpticsGroup, ...]
    optics_of_particle: Int[np.ndarray, " n"]
    half_set: Int[np.ndarray, " n"]
    micrograph_of_particle: Int[np.ndarray, " n"]
    box: int
    pixel_size_angstrom: float
    expansion: Expansion | None = None
    weight: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        lengths = {
            field.name: len(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray | CtfParameters | Expansion)
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(f"particle columns of different lengths: {lengths}")
        product = self.rotation @ np.swapaxes(self.rotation, 1, 2)
        if np.abs(product - np.eye(3)).max(initial=0) > ORTHOGONALITY_TOLERANCE:
            raise ValueError("a rotation matrix is not orthogonal")
        if (np.linalg.det(self.rotation) < 0).any():
            raise ValueError("a rotation matrix is a reflection")
        united = None if self.expansion is None else self.expansion.of_parent(self.half_set)
        if united is not None and (united != self.half_set).any():
            raise ValueError("copies of one particle are in different half sets")

    @classmethod
    @checked
    def read(
        cls,
        path: Path | str,
        *,
        datadir: Path | str | None = None,
        supplement: Supplement | None = None,
    ) -> ParticleSet:
        """Read a particle file of any format of `cryofocus.data.formats`.

        Args:
            path: The file.
            datadir: Folder in which image stacks are looked up first.
            supplement: What the file leaves to the user to say, such as
                `Supplement(ctf_shown="none")` for a table without a CTF.

        Raises:
            InputError: If the file or `datadir` cannot be read.
            FormatError: If the file or an image stack is damaged.
            ParticleError: If columns are missing, values make no sense, an image occurs twice,
                image stacks are missing or contradict the table, or images of different pixel
                sizes cannot be brought onto one grid.
        """
        table = open_table(Path(path), supplement)
        return cls.from_table(table, datadir=datadir, supplement=supplement)

    @classmethod
    @checked
    def from_table(
        cls,
        table: ParticleTable,
        *,
        datadir: Path | str | None = None,
        supplement: Supplement | None = None,
    ) -> ParticleSet:
        """Read the particles of a table that is open.

        Args:
            table: The open file.
            datadir: Folder in which image stacks are looked up first.
            supplement: What it was opened with.

        Raises:
            InputError: As `read`.
        """
        supplement = supplement or Supplement()
        columns = table.columns().with_ctf_shown(supplement.ctf_shown)
        require_shown(columns, table.path)
        if supplement.needs_poses:
            _require_views(columns, table.path)
            doubts = doubts_of_views(columns.rotation)
            columns = replace(columns, notes=(*columns.notes, *doubts))
        paths = locate_stacks(
            columns.places.stacks, table.path, Path(datadir) if datadir else None
        )
        columns = replace(columns, places=join_same_files(columns.places, paths))
        columns, common = check_stacks(columns, paths, table, supplement.pixel_size_of)
        for note in columns.notes:
            logger.info("%s: %s", table.path, note)
        _warn_of_far_shifts(columns, table.path)
        places, pose = columns.places, (columns.rotation, columns.shift_angstrom)
        expansion, half_set = find_copies(table, places, pose, columns.half_set, columns.expansion)
        micrographs = columns.micrographs
        return cls(
            table=table,
            row_of_particle=np.arange(table.n_rows),
            stack_paths=paths,
            stack_of_particle=places.stack_of_particle,
            slice_of_particle=places.slice_of_particle,
            rotation=columns.rotation,
            shift_angstrom=columns.shift_angstrom,
            ctf=columns.ctf,
            optics=columns.optics,
            optics_of_particle=columns.optics_of_particle,
            half_set=half_set,
            micrograph_of_particle=(
                micrographs.of_particle if micrographs else places.stack_of_particle
            ),
            box=common.box,
            pixel_size_angstrom=common.pixel_size_angstrom,
            expansion=expansion,
            weight=columns.weight,
        )

    def __len__(self) -> int:
        """Count the particles."""
        return len(self.rotation)

    def __getitem__(self, which: object) -> ParticleSet:
        """Choose particles: a number, a slice, numbers in any order, or one truth value each.

        Raises:
            IndexError: When a number is out of range, or there are not as many truth values as
                particles.
            TypeError: When it is none of these.
        """
        chosen = np.arange(len(self))[which if isinstance(which, slice) else np.asarray(which)]
        return self.take(np.atleast_1d(chosen))

    def __repr__(self) -> str:
        """Say what they are in one line."""
        return f"ParticleSet({', '.join(self._described().values())})"

    def _repr_html_(self) -> str:
        """Show what they are as a small table, in a notebook."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self._described().items()
        )
        return f"<table>{rows}</table>"

    def _described(self) -> dict[str, str]:
        """Say in words what they are."""
        n_groups = len(np.unique(self.optics_of_particle))
        said = {
            "particles": f"{format_count(len(self))} particle{'' if len(self) == 1 else 's'}",
            "images": f"box {self.box}, {self.pixel_size_angstrom:g} Å/pixel",
            "optics groups": f"{n_groups} optics group{'' if n_groups == 1 else 's'}",
            "half sets": "half sets" if self.half_set.any() else "no half sets",
        }
        if self.expansion is not None:
            said["copies"] = f"copies of {format_count(len(np.unique(self.parent_of_particle)))}"
        if self.table is not None:
            said["table"] = str(self.table.path)
        return said

    def to_dataframe(self) -> DataFrame:
        """Return poses, CTF and groups as a pandas table, one row per particle.

        Angles are RELION's rot, tilt and psi in degrees, lengths in Å. The table is a copy:
        changing it changes no particle.

        Raises:
            InputError: When pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise InputError(
                "to_dataframe: needs pandas, which is not installed. Install it with "
                "'pip install pandas', or use the arrays of the particle set."
            ) from error
        rot, tilt, psi = euler_from_rotation(self.rotation).T
        stacks = np.array([str(path) for path in self.stack_paths], object)
        ctf = {field.name: getattr(self.ctf, field.name) for field in fields(self.ctf)}
        columns: dict[str, np.ndarray] = {
            "row": self.row_of_particle,
            "stack": stacks[self.stack_of_particle],
            "slice": self.slice_of_particle,
            "rot_degrees": rot,
            "tilt_degrees": tilt,
            "psi_degrees": psi,
            "shift_x_angstrom": self.shift_angstrom[:, 0],
            "shift_y_angstrom": self.shift_angstrom[:, 1],
            **ctf,
            "optics_group": self.optics_of_particle,
            "micrograph": self.micrograph_of_particle,
            "half_set": self.half_set,
        }
        if self.weight is not None:
            columns["weight"] = self.weight
        return DataFrame({name: np.array(values) for name, values in columns.items()})

    @property
    def source(self) -> ParticleTable:
        """The file they were read from.

        Raises:
            ValueError: If they were not read from one.
        """
        if self.table is None:
            raise ValueError("these particles were not read from a file; there is none to edit")
        return self.table

    @property
    def counted(self) -> Bool[np.ndarray, " n"]:
        """Which particles count at all."""
        return np.ones(len(self), bool) if self.weight is None else self.weight > 0

    @property
    def parent_of_particle(self) -> Int[np.ndarray, " n"]:
        """Equal numbers: copies of one image; all different if the set is not expanded."""
        if self.expansion is None:
            return np.arange(len(self))
        return self.expansion.parent_of_particle

    @property
    def operator_of_particle(self) -> Int[np.ndarray, " n"]:
        """Symmetry operator of each copy; 0, the identity, if the set is not expanded."""
        if self.expansion is None:
            return np.zeros(len(self), np.int64)
        return self.expansion.operator_of_particle

    def derive_operators(self) -> OperatorSet | None:
        """Find the symmetry operators of an expanded set in the poses of its copies.

        Returns:
            One for each of `expansion.operators`, relative to the first of them. None if the set
                is not expanded, no parent has all of its copies, or parents tell of different
                ones.
        """
        if self.expansion is None:
            return None
        rows = self.expansion.complete_parents()[:PARENTS_LOOKED_AT]
        if rows.size == 0:
            return None
        return derive_operators(self.rotation[rows], self.shift_angstrom[rows])

    def take(self, indices: Int[np.ndarray, " m"]) -> ParticleSet:
        """Return chosen particles, in the order asked for."""
        columns = {
            field.name: getattr(self, field.name)[indices]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        expansion = None if self.expansion is None else self.expansion.take(indices)
        return replace(self, ctf=self.ctf.take(indices), expansion=expansion, **columns)

    def write(
        self, path: Path | str, columns: Mapping[str, Column] | None = None
    ) -> tuple[str, ...]:
        """Write the particles' own rows, in their own format, with columns added or replaced.

        Blocks, columns, comments and spacing of the file they were read from stay as they are.

        Args:
            path: Where to; replaced atomically.
            columns: Mapping of RELION's label (without underscore) to n texts, numbers or vectors;
                nothing is added if left out.

        Returns:
            Labels for which the format has no place, which the log says.

        Raises:
            OutputError: Disk full, no permission.
            ValueError: If the particles were not read from a file, or a column has not n values.
        """
        is_whole = np.array_equal(self.row_of_particle, np.arange(self.source.n_rows))
        rows = None if is_whole else self.row_of_particle
        lost = self.source.write(Path(path), columns or {}, rows)
        if lost:
            logger.info("%s: the format has no place for %s", path, ", ".join(lost))
        return lost


def _warn_of_far_shifts(columns: ParticleColumns, path: Path) -> None:
    """Warn of images that end before their particle begins."""
    edges = np.array([group.box * group.pixel_size_angstrom for group in columns.optics])
    beyond = np.abs(columns.shift_angstrom).max(axis=1, initial=0)
    beyond -= edges[columns.optics_of_particle] / 2
    if (beyond > 0).any():
        row, count = int(np.argmax(beyond)), int((beyond > 0).sum())
        x, y = columns.shift_angstrom[row]
        logger.warning(
            "%s: %d of %d particles lie outside their images by their shifts, such as that of row "
            "%d, (%.5g, %.5g) Å; remove them, or correct the unit of the shifts",
            *(path, count, len(beyond), row + 1, x, y),
        )


def _require_views(columns: ParticleColumns, path: Path) -> None:
    """Refuse particles that are all seen along z: 2-D classification gives no view directions."""
    views = columns.rotation[:, 2]
    if len(views) > 1 and (np.abs(views - (0, 0, 1)) < ORTHOGONALITY_TOLERANCE).all():
        raise ParticleError(
            f"{path}: all {len(views)} particles are seen from one direction (rot and tilt are 0 "
            "in every row), as 2-D classification leaves them. Refine the particles against a map "
            "first, here with 'cryofocus align search', and give that table."
        )
    cosine = (np.trace(columns.rotation, axis1=1, axis2=2) - 1) / 2
    if len(views) >= MANY and (cosine > np.cos(np.radians(LARGEST_OF_RADIANS))).all():
        raise ParticleError(
            f"{path}: all {len(views)} particles are turned by less than {LARGEST_OF_RADIANS:.0f} "
            "degrees; expected views from all around. Angles in radians look like this: multiply "
            "them by 57.3."
        )
