"""cryoSPARC's particle files (.cs).

Rotation: `alignments3D/pose` is the rotation vector (axis times angle in radians) of the transpose
of this package's A. Shift: `alignments3D/shift` is in pixels of `alignments3D/psize_A` and, added
to the image, centres the particle, as RELION's origin does. Angles of the CTF are in radians,
lengths in Å, underfocus positive, defocus angle from +x to the axis of `df1_A`. Images, halves and
classes count from 0. `blob/sign` is -1 where protein is dark. Paths start at the project's folder,
with or without `>` before them. Aberrations: `cryosparc_optics`. Sources: cryosparc-tools 5.0; the
guide's page on .cs files; poses and shifts checked against cryoDRGN's reading of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.cryosparc.fields import (
    EXPANSION_FIELDS,
    IMAGE_FIELDS,
    CryosparcCopies,
    say_in_fields,
)
from cryofocus.data.cryosparc.optics import make_microscope
from cryofocus.data.cryosparc.poses import POSE_FIELDS, read_poses, require_fields
from cryofocus.data.cryosparc.subtracted import CryosparcSubtracted
from cryofocus.data.foreign.column_uses import CRYOSPARC, note_ignored, says_something, uses_of
from cryofocus.data.grouping import group_rows
from cryofocus.data.optics import GroupsOfParticles, OpticsGroup
from cryofocus.data.particle_format import ParticleFile
from cryofocus.data.particle_table import (
    Classes,
    ClassifiedRows,
    Column,
    Names,
    ParticleColumns,
    Supplement,
    read_classified,
    unposed,
)
from cryofocus.data.plausible import is_count, require_plausible, require_probabilities
from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.errors import ParticleError
from cryofocus.maths.ctf import NO_CTF, CtfParameters, Microscope

CTF_FIELDS = ("ctf/accel_kv", "ctf/cs_mm", "ctf/amp_contrast")
# Of images that show no CTF, where a file has no such fields.
NO_CTF_FIELDS = dict(zip(CTF_FIELDS, astuple(NO_CTF), strict=False))
CTF_ADVICE = "CTF: {}. Give --ctf none if the images show none"
DEFOCUS_FIELDS = ("ctf/df1_A", "ctf/df2_A", "ctf/df_angle_rad")
NEEDED_FIELDS = (*IMAGE_FIELDS, *POSE_FIELDS, *CTF_FIELDS, *DEFOCUS_FIELDS)
# Their values where a file has no such field.
OPTIONAL_CTF = {"ctf/phase_shift_rad": 0.0, "ctf/bfactor": 0.0, "ctf/scale": 1.0}
ABERRATION_FIELDS = {"ctf/tilt_A": 2, "ctf/trefoil_A": 2, "ctf/anisomag": 4}
SIGN_FIELD = "blob/sign"
MICROGRAPH_FIELDS = ("location/micrograph_path", "location/micrograph_uid")
CLASS_FIELD, POSTERIOR_FIELD = "alignments3D/class", "cryofocus/class_posterior"
UNDERSTOOD_FIELDS = {
    *("uid", SIGN_FIELD, "alignments3D/psize_A", "alignments3D/split", "ctf/exp_group_id"),
    *(*NEEDED_FIELDS, *OPTIONAL_CTF),
    *(*ABERRATION_FIELDS, *EXPANSION_FIELDS, *MICROGRAPH_FIELDS, CLASS_FIELD, POSTERIOR_FIELD),
    "alignments3D/class_posterior",
}


@dataclass(frozen=True, eq=False)
class CryosparcTable:
    """The particles of a cryoSPARC job; a `ParticleTable`.

    Attributes:
        dataset: Their fields, passthrough files joined.
        needs_poses: Whether poses are read.
        needs_ctf: Whether fields of the CTF have to be there.
    """

    dataset: CsDataset
    needs_poses: bool = True
    needs_ctf: bool = True

    suffix = ".cs"

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> CryosparcTable:
        """Read a particle file and its passthrough files.

        If none are named and fields are missing, files `*passthrough*.cs` beside it that hold all
        its particles are joined.

        Raises:
            InputError: If a file cannot be read.
            FormatError: If one is damaged.
            ParticleError: If there are no particles, or a passthrough file lacks some.
        """
        dataset = CsDataset.read(file.path, supplement.passthrough, NEEDED_FIELDS)
        return cls(dataset, supplement.needs_poses, supplement.needs_ctf)

    @property
    def path(self) -> Path:
        """The particle file."""
        return self.dataset.path

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.dataset.n_rows

    @property
    def copies(self) -> CryosparcCopies:
        """Its copies under symmetry operators."""
        return CryosparcCopies(self.dataset)

    @property
    def subtracted(self) -> CryosparcSubtracted:
        """Its subtracted images."""
        return CryosparcSubtracted(self.dataset)

    def first_stack(self) -> str:
        """Name the stack of the first row."""
        require_fields(self.dataset, IMAGE_FIELDS, "images: {}")
        return self.dataset.texts("blob/path")[0][0].removeprefix(">")

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""
        dataset = self.dataset
        require_fields(dataset, IMAGE_FIELDS, "images: {}")
        rotation, shift = unposed(dataset.n_rows)
        if self.needs_poses:
            rotation, shift = read_poses(dataset)
        if self.needs_ctf:
            require_fields(dataset, (*CTF_FIELDS, *DEFOCUS_FIELDS), CTF_ADVICE)
        optics, optics_of_particle = _read_optics(dataset)
        stacks, stack_of_particle = dataset.texts("blob/path")
        columns = ParticleColumns(
            places=ImagePlaces(
                tuple(stack.removeprefix(">") for stack in stacks),
                stack_of_particle,
                _image_index(dataset),
            ),
            rotation=rotation,
            shift_angstrom=shift,
            ctf=_read_ctf(dataset),
            optics=optics,
            optics_of_particle=optics_of_particle,
            half_set=_read_half_sets(dataset),
            micrographs=_read_micrographs(dataset),
            expansion=self.copies.read(),
            protein_sign=_read_sign(dataset),
            notes=note_ignored(CRYOSPARC, _telling(dataset)),
        )
        return require_plausible(columns, self)

    def classes(self) -> Classes | None:
        """Read alignments3D/class and, as cryofocus writes them, posteriors."""
        dataset, path = self.dataset, self.path
        if not dataset.has(CLASS_FIELD):
            return None
        posterior = None
        if dataset.has(POSTERIOR_FIELD):
            shape = dataset.column(POSTERIOR_FIELD).shape[1:]
            posterior = dataset.numbers(POSTERIOR_FIELD, *shape[:1])
            require_probabilities(posterior.reshape(dataset.n_rows, -1), path, POSTERIOR_FIELD)
        numbers = dataset.numbers(CLASS_FIELD)
        expected = ", expected a whole number from 0. Correct the file."
        _require_rows(dataset, CLASS_FIELD, numbers, is_count(numbers), expected)
        return Classes(numbers.astype(np.int64), posterior)

    def classified(self) -> ClassifiedRows | None:
        """Read what a classification found."""
        rows, names = read_classified(self), self.subtracted.intact_names()
        if rows is None or names is None:
            return rows
        return replace(rows, names=names, shift_angstrom=None)

    def unread(self) -> tuple[str, ...]:
        """Name what is kept without being understood."""
        return tuple(name for name in self.dataset.fields if name not in UNDERSTOOD_FIELDS)

    def row_name(self, row: int) -> str:
        """Name a row by its number."""
        return f"row {row + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns replaced or added; see `ParticleTable`."""
        fields, lost = say_in_fields(self.dataset, columns, rows)
        self.dataset.write(path, fields, rows)
        return lost


def _telling(dataset: CsDataset) -> list[str]:
    """Name those of the fields that count for nothing here which say something."""
    return [
        name
        for use in uses_of(CRYOSPARC, "ignored")
        for name in use.columns
        if dataset.has(name) and says_something(dataset.column(name), use.neutral)
    ]


def _require_rows(
    dataset: CsDataset,
    field: str,
    values: Float[np.ndarray, " n"],
    good: Bool[np.ndarray, " n"],
    expected: str,
) -> None:
    """Refuse the first row whose value is not good."""
    if not good.all():
        row = int(np.argmin(good))
        what = f"{field} is {values[row]:g}{expected}"
        raise ParticleError(f"{dataset.path}, row {row + 1}: {what}")


def _image_index(dataset: CsDataset) -> Int[np.ndarray, " n"]:
    index = dataset.numbers("blob/idx")
    expected = "; expected images counted from 0. Correct the file."
    _require_rows(dataset, "blob/idx", index, is_count(index), expected)
    return index.astype(np.int64)


def _read_ctf(dataset: CsDataset) -> CtfParameters:
    defaults = dict.fromkeys(DEFOCUS_FIELDS, 0.0) | OPTIONAL_CTF
    defocus_u, defocus_v, angle, phase, b_factor, scale = (
        _numbers_or(dataset, name, default) for name, default in defaults.items()
    )
    with np.errstate(over="ignore"):  # what is beyond every microscope is refused later
        angle, phase = np.degrees(angle), np.degrees(phase)
    return CtfParameters(defocus_u, defocus_v, angle, phase, b_factor, scale)


def _numbers_or(dataset: CsDataset, name: str, default: float) -> Float[np.ndarray, " n"]:
    return dataset.numbers(name) if dataset.has(name) else np.full(dataset.n_rows, default)


def _read_half_sets(dataset: CsDataset) -> Int[np.ndarray, " n"]:
    """Give 1 or 2; 0 where there are no halves: cryoSPARC then writes the same for all."""
    none = np.zeros(dataset.n_rows, np.int8)
    if not dataset.has("alignments3D/split"):
        return none
    split = dataset.numbers("alignments3D/split")
    expected = ", expected 0 or 1. Refine the particles again."
    _require_rows(dataset, "alignments3D/split", split, np.isin(split, (0, 1)), expected)
    return none if (split == split[0]).all() else split.astype(np.int8) + np.int8(1)


def _read_micrographs(dataset: CsDataset) -> Names | None:
    path_field, uid_field = MICROGRAPH_FIELDS
    if dataset.has(path_field):
        paths, index = dataset.texts(path_field)
        return Names(tuple(path.removeprefix(">") for path in paths), index)
    if dataset.has(uid_field):
        uids, index = np.unique(dataset.column(uid_field), return_inverse=True)
        return Names(tuple(map(str, uids.tolist())), index.astype(np.int32))
    return None


def _read_optics(dataset: CsDataset) -> GroupsOfParticles:
    """Group the particles of equal optics and exposure group, in order of appearance."""
    columns: dict[str, Shaped[np.ndarray, "n k"]] = {
        name: _numbers_or(dataset, name, default)[:, None]
        for name, default in NO_CTF_FIELDS.items()
    }
    columns["blob/psize_A"] = dataset.numbers("blob/psize_A")[:, None]
    columns["blob/shape"] = dataset.numbers("blob/shape", 2)
    for name, width in ABERRATION_FIELDS.items():
        has = dataset.has(name)
        columns[name] = dataset.numbers(name, width) if has else np.zeros((dataset.n_rows, width))
    group_id = "ctf/exp_group_id"
    ids = dataset.numbers(group_id) if dataset.has(group_id) else np.zeros(dataset.n_rows)
    expected = "; expected a whole number. Correct the file."
    _require_rows(dataset, group_id, ids, is_count(np.abs(ids)), expected)
    flat = [ids, *(column[:, i] for column in columns.values() for i in range(column.shape[1]))]
    first_rows, index = group_rows(flat)
    numbers = ids[first_rows].astype(np.int64)
    # The groups' own numbers, unless they count from 0 or do not tell groups apart.
    if numbers.min() < 1 or len(np.unique(numbers)) < len(numbers):
        numbers = np.arange(1, len(first_rows) + 1)
    groups = tuple(
        _make_group(
            dataset, number, int(ids[row]), {k: c[row].tolist() for k, c in columns.items()}
        )
        for number, row in zip(numbers.tolist(), first_rows.tolist(), strict=True)
    )
    return groups, index


def _make_group(
    dataset: CsDataset, number: int, group_id: int, values: Mapping[str, list[float]]
) -> OpticsGroup:
    where = f"{dataset.path}: exposure group {group_id}"
    rows, columns = values["blob/shape"]
    if rows != columns:
        raise ParticleError(
            f"{where}: images of {columns:g} x {rows:g} pixels; expected square images. Extract "
            "the particles again."
        )
    kilovolt, cs, contrast = (_exact(values[name][0]) for name in CTF_FIELDS)
    tilt, trefoil = values["ctf/tilt_A"], values["ctf/trefoil_A"]
    try:
        microscope = make_microscope(
            Microscope(kilovolt, cs, contrast),
            (tilt[0], tilt[1]),
            (trefoil[0], trefoil[1]),
            tuple(values["ctf/anisomag"]),
        )
        return OpticsGroup(
            number=number,
            name=f"exposureGroup{group_id}",
            pixel_size_angstrom=_exact(values["blob/psize_A"][0]),
            box=int(rows),
            microscope=microscope,
            ctf_premultiplied=False,
        )
    except ValueError as error:
        raise ParticleError(f"{where}: {error}. Correct it in cryoSPARC.") from error


def _exact(stored: float) -> float:
    """Undo the rounding of a decimal number to single precision: 1.3450001 is 1.345."""
    return float(np.format_float_positional(np.float32(stored), unique=True))


def _read_sign(dataset: CsDataset) -> int:
    """Give the contrast of the images, which has to be one for all."""
    if not dataset.has(SIGN_FIELD):
        return -1
    sign = dataset.numbers(SIGN_FIELD)
    expected = "expected images of one contrast. Split the particles by it."
    first = f", but {sign[0]:g} in row 1; "
    _require_rows(dataset, SIGN_FIELD, sign, sign == sign[0], first + expected)
    return 1 if sign[0] > 0 else -1
