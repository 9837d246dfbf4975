"""The fields of a cryoSPARC job's particles, spread over several files that share their uids."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from cryofocus.data.atomic import atomic_file
from cryofocus.data.cryosparc.containers import read_cs, write_cs_header
from cryofocus.data.grouping import group_rows
from cryofocus.errors import FormatError, InputError, ParticleError

UID = "uid"
# Rows written at a time.
CHUNK = 16_384
JOB = re.compile(r"P\d+_J\d+")


@dataclass(frozen=True, eq=False)
class Part:
    """One file, and which of its rows belongs to each particle (None: the same row)."""

    path: Path
    rows: Shaped[np.ndarray, " m"]
    row_of_particle: Int[np.ndarray, " n"] | None

    def take(self, field: str) -> Shaped[np.ndarray, "n ..."]:
        """Read a field, particle by particle."""
        column = self.rows[field]
        return column if self.row_of_particle is None else column[self.row_of_particle]


@dataclass(frozen=True, eq=False)
class CsDataset:
    """Particles of a job.

    Attributes:
        parts: The particle file first; fields of earlier files win.
        unusable: What is wrong with passthrough files beside it that may be of the same job.
    """

    parts: tuple[Part, ...]
    unusable: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, path: Path, passthrough: Sequence[Path] = (), needed: Sequence[str] = ()
    ) -> CsDataset:
        """Read a particle file and its passthrough files.

        Args:
            path: The particle file.
            passthrough: Further files of the job, joined on the particles' uid.
            needed: If one of these fields is missing and no further files are named, files
                `*passthrough*.cs` beside the particle file that hold all its particles are joined.
                Of those that cannot be read, the ones that may be of the same job are noted.

        Raises:
            InputError: If a file cannot be read.
            FormatError: If one is damaged.
            ParticleError: If there are no particles, not every particle has a uid of its own, or a
                passthrough file that was named lacks some.
        """
        rows = _read_with_uids(path)
        if len(rows) == 0:
            raise ParticleError(
                f"{path}: has no rows, so there are no particles. Check the job that made it."
            )
        dataset = cls((Part(path, rows, None),))
        for other in passthrough:
            dataset = dataset._join(other, _read_with_uids(other))
        if passthrough or all(map(dataset.has, needed)):
            return dataset
        unusable = []
        for other in sorted(path.absolute().parent.glob("*passthrough*.cs")):
            jobs = {_job(path), _job(other)} - {None}
            if other.name == path.name or len(jobs) > 1:
                continue
            try:
                rows = _read_with_uids(other)
            except InputError as error:
                unusable.append(str(error))
                continue
            with suppress(ParticleError):  # it belongs to another output of the same job
                dataset = dataset._join(other, rows)
        return replace(dataset, unusable=tuple(unusable))

    def _join(self, path: Path, rows: Shaped[np.ndarray, " m"]) -> CsDataset:
        """Add the fields of a passthrough file; refuse one that lacks particles of this set."""
        order = np.argsort(rows[UID])
        uids, known = self.uids, rows[UID][order]
        places = np.minimum(np.searchsorted(known, uids), len(known) - 1)
        missing = np.flatnonzero(known[places] != uids) if len(known) else np.arange(len(uids))
        if missing.size:
            raise ParticleError(
                f"{path}: lacks {missing.size} of the {len(uids)} particles of {self.path} (the "
                f"first: uid {uids[missing[0]]}). Give the passthrough file of the same job."
            )
        return CsDataset((*self.parts, Part(path, rows, order[places])))

    @property
    def path(self) -> Path:
        """The particle file."""
        return self.parts[0].path

    @property
    def uids(self) -> Shaped[np.ndarray, " n"]:
        """Identities of the particles."""
        return np.asarray(self.parts[0].rows[UID])

    @property
    def n_rows(self) -> int:
        """Number of particles."""
        return len(self.parts[0].rows)

    @property
    def fields(self) -> dict[str, np.dtype[Any]]:
        """Type of each field, in the order of the files."""
        fields: dict[str, np.dtype[Any]] = {}
        for part in self.parts:
            for name in part.rows.dtype.names or ():
                fields.setdefault(name, part.rows.dtype[name])
        return fields

    def has(self, field: str) -> bool:
        """Whether some file has a field."""
        return any(field in (part.rows.dtype.names or ()) for part in self.parts)

    def column(self, field: str) -> Shaped[np.ndarray, "n ..."]:
        """Read a field as it is stored."""
        return self._part(field).take(field)

    def numbers(self, field: str, *shape: int) -> Float[np.ndarray, "n ..."]:
        """Read a numeric field as float64 (n, *shape), every value finite.

        Raises:
            FormatError: If the field holds something else.
            ParticleError: If a value is not finite.
        """
        column, part = self.column(field), self._part(field)
        if column.dtype.kind not in "iuf" or column.shape[1:] != shape:
            size = "x".join(map(str, shape)) or "one"
            raise FormatError(
                f"{part.path}: {field} holds {part.rows.dtype[field]}, expected {size} number"
                f"{'s' if shape else ''} per particle. Export the particles again from cryoSPARC."
            )
        with np.errstate(invalid="ignore"):  # NaN is refused below, whatever its bits
            values = np.asarray(column, np.float64)
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise ParticleError(
                f"{part.path}, row {row + 1}: {field} is {column[row]}, expected a finite number "
                f"(rows like this: {int((~finite).sum())}). Correct or remove these rows."
            )
        return values

    @property
    def shift_pixel_angstrom(self) -> Float[np.ndarray, " n"]:
        """Å per pixel in which shifts are said; the images' own where a file has no other."""
        return self.pixel_sizes("alignments3D/psize_A")

    def pixel_sizes(self, field: str) -> Float[np.ndarray, " n"]:
        """Read a field of pixel sizes in Å, or those of the images where a file has no such field.

        Raises:
            FormatError: If the field holds something else.
            ParticleError: If one is not above zero.
        """
        field = field if self.has(field) else "blob/psize_A"
        shape = self.column(field).shape[1:]
        sizes = self.numbers(field, *shape).reshape(self.n_rows, -1)[:, 0]
        if not (sizes > 0).all():
            row = int(np.argmin(sizes > 0))
            raise ParticleError(
                f"{self.path}, row {row + 1}: {field} is {sizes[row]:g}, expected a pixel size in "
                "Å. Correct or remove these rows."
            )
        return sizes

    def texts(self, field: str) -> tuple[tuple[str, ...], Int[np.ndarray, " n"]]:
        """Read a text field: each text once, and which is whose.

        Raises:
            FormatError: If the field holds something else.
        """
        column, part = self.column(field), self._part(field)
        if column.dtype.kind not in "SU" or column.ndim != 1:
            raise FormatError(
                f"{part.path}: {field} holds {part.rows.dtype[field]}, expected a text a "
                "particle. Export the particles again from cryoSPARC."
            )
        first_rows, index = group_rows([column])
        raw = column[first_rows].tolist()
        decoded = (t if isinstance(t, str) else t.decode("utf-8", "surrogateescape") for t in raw)
        return tuple(decoded), index

    def write(
        self,
        path: Path,
        replaced: Mapping[str, Shaped[np.ndarray, "m ..."]],
        rows: Int[np.ndarray, " m"] | None,
        *,
        drop: Collection[str] = (),
    ) -> None:
        """Write every field of every file as one NUMPY container.

        Args:
            path: Where to; replaced atomically.
            replaced: Mapping of field to m values: new content of fields, in their place and of
                their type, or new fields behind them.
            rows: Particles to write, in this order.
            drop: Fields to leave out.

        Raises:
            OutputError: Disk full, no permission.
        """
        known, columns = self.fields, []
        for name, dtype in known.items():
            if name in drop:
                continue
            if name in replaced:
                values = np.asarray(replaced[name])
                # A longer text than before is written whole.
                is_text = dtype.base.kind in "SU" and values.dtype.kind == dtype.base.kind
                columns.append((name, values if is_text else values.astype(dtype.base)))
            else:
                column = self.column(name)
                columns.append((name, column if rows is None else column[rows]))
        added = [(name, column) for name, column in replaced.items() if name not in known]
        write_fields(path, [*columns, *added])

    def _part(self, field: str) -> Part:
        return next(part for part in self.parts if field in (part.rows.dtype.names or ()))


def _job(path: Path) -> str | None:
    """Return the project and job that a file is named after, as in P12_J24; None if none."""
    match = JOB.search(path.name)
    return match and match.group()


def write_fields(path: Path, fields: Sequence[tuple[str, np.ndarray]]) -> None:
    """Write columns as a .cs file.

    Args:
        path: Where to; replaced atomically.
        fields: Sequence of (name, array (n, ...)): in this order; types are written as they are.

    Raises:
        OutputError: Disk full, no permission.
    """
    n_rows = len(fields[0][1])
    dtype = np.dtype([(name, column.dtype, column.shape[1:]) for name, column in fields])
    with atomic_file(path) as handle:
        write_cs_header(handle, dtype, n_rows)
        for start in range(0, n_rows, CHUNK):
            chunk = np.empty(min(CHUNK, n_rows - start), dtype)
            for name, column in fields:
                chunk[name] = column[start : start + CHUNK]
            handle.write(chunk.tobytes())


def _read_with_uids(path: Path) -> Shaped[np.ndarray, " n"]:
    rows = read_cs(path)
    if UID not in (rows.dtype.names or ()) or rows.dtype[UID] != np.dtype("<u8"):
        raise ParticleError(
            f"{path}: has no field uid of unsigned 64-bit numbers, so its particles have no "
            "identity. Give a particle file of a cryoSPARC job."
        )
    sorted_uids = np.sort(rows[UID])
    repeats = np.flatnonzero(sorted_uids[1:] == sorted_uids[:-1])
    if repeats.size:
        uid = sorted_uids[repeats[0]]
        first, second = np.flatnonzero(rows[UID] == uid)[:2]
        raise ParticleError(
            f"{path}: uid {uid} stands in rows {first + 1} and {second + 1}; expected every uid "
            "once. Remove duplicate particles in cryoSPARC."
        )
    return rows
