"""What cisTEM and Frealign say of particles, in this package's conventions and back.

Psi, theta and phi are RELION's psi, tilt and rot. XShift and YShift, in Å, are minus RELION's
origin. Defoci are in Å, underfocus positive, their angle in degrees from +x, the phase shift in
radians. Images count from 1 in one stack, which the table need not name. Occupancies run from 0
to 100; over the files of several classes, one per class, those of a particle sum to 100. Sources:
cisTEM 2.0, `cistem_parameters`; Frealign 9, `frealign_parameter_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from cryofocus.data.foreign.column_uses import CISTEM, note_ignored, says_something, uses_of
from cryofocus.data.grouping import group_rows
from cryofocus.data.labels import (
    ANGLE_LABELS,
    CLASS_LABEL,
    DEFOCUS_LABELS,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    PHASE_SHIFT_LABEL,
    PIXEL_SIZE_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.optics import GroupsOfParticles, OpticsGroup, describe_shown_ctf
from cryofocus.data.particle_table import (
    Classes,
    Column,
    Names,
    ParticleColumns,
    ParticleTable,
    require_lengths,
)
from cryofocus.data.plausible import is_count, require_plausible, require_turns
from cryofocus.data.stack_paths import ImagePlaces, parse_image_names
from cryofocus.errors import ParticleError
from cryofocus.maths.ctf import CtfParameters, Microscope
from cryofocus.maths.rotations import euler_from_rotation, rotation_from_euler

ANGLES = ("AnglePhi", "AngleTheta", "AnglePsi")
DEFOCUS = ("Defocus1", "Defocus2", "DefocusAngle")
OPTICS = ("PixelSize", "MicroscopeVoltagekV", "MicroscopeCsMM", "AmplitudeContrast")
REQUIRED = ("PositionInStack", *ANGLES, *DEFOCUS, *OPTICS)
# Their values where a table has no such column.
OPTIONAL = {
    **{"XShift": 0.0, "YShift": 0.0, "PhaseShift": 0.0, "AssignedSubset": 0.0},
    **{"BeamTiltX": 0.0, "BeamTiltY": 0.0, "Occupancy": 100.0, "ImageActivity": 1.0},
}
UNUSED = tuple(name for use in uses_of(CISTEM, "ignored") for name in use.columns)
NUMBERS = (*REQUIRED, *OPTIONAL)
INTEGERS = ("PositionInStack", "ImageActivity", "AssignedSubset")
STACK, MICROGRAPH, OCCUPANCY = "StackFilename", "OriginalImageFilename", "Occupancy"
ACTIVITY = "ImageActivity"
FULL, ROUNDING = 100.0, 0.01
# How RELION's columns are said; what is missing here has no place.
SAID: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    ANGLE_LABELS[0]: ("AnglePhi", np.asarray),
    ANGLE_LABELS[1]: ("AngleTheta", np.asarray),
    ANGLE_LABELS[2]: ("AnglePsi", np.asarray),
    SHIFT_LABELS[0]: ("XShift", np.negative),
    SHIFT_LABELS[1]: ("YShift", np.negative),
    DEFOCUS_LABELS[0]: ("Defocus1", np.asarray),
    DEFOCUS_LABELS[1]: ("Defocus2", np.asarray),
    DEFOCUS_LABELS[2]: ("DefocusAngle", np.asarray),
    PHASE_SHIFT_LABEL: ("PhaseShift", np.radians),
    PIXEL_SIZE_LABEL: ("PixelSize", np.asarray),
    HALF_SET_LABEL: ("AssignedSubset", np.asarray),
    MAX_POSTERIOR_LABEL: (OCCUPANCY, lambda p: 100.0 * p),
}

Said = dict[str, Shaped[np.ndarray, " m"]]


class CountedTable:
    """What `ParticleTable` asks for and no table of cisTEM's or Frealign's holds."""

    copies = None

    def classes(self) -> None:
        """Give none: a file holds the occupancies of one class, and does not say of which."""

    def classified(self) -> None:
        """Give none, as `classes`."""

    def first_stack(self: ParticleTable) -> str:
        """Name the stack of the first row."""
        return self.columns().places.stacks[0]


@dataclass(frozen=True, eq=False)
class CountedRows:
    """Rows that count images in a stack: what cisTEM and Frealign tables have in common.

    Attributes:
        path: The file.
        numbers: Dict of float64 arrays (n,): by cisTEM's labels.
        telling: Columns that are not used and say something; see `telling_columns`.
        program: Whose file it is.
        stacks: Stack of each row; None where the file does not say.
        micrographs: Micrograph of each row; None where the file does not say.
        name_of_row: Names a row for messages.
    """

    path: Path
    numbers: Mapping[str, Float[np.ndarray, " n"]]
    stacks: Names | None
    micrographs: Names | None
    name_of_row: Callable[[int], str]
    telling: Collection[str] = ()
    program: str = CISTEM

    def row_name(self, row: int) -> str:
        """Name a row for messages."""
        return self.name_of_row(row)

    def columns(self, stack: Path | None) -> ParticleColumns:
        """Convert.

        Args:
            stack: What the user says the stack is; else what the file says, or a stack of the same
                name beside it.

        Raises:
            ParticleError: If columns are missing, the stack is unknown, or values make no sense.
        """
        missing = [label for label in REQUIRED if label not in self.numbers]
        if missing:
            raise ParticleError(
                f"{self.path}: has no {', '.join(missing)}. Give a table of refined particles "
                "with these columns."
            )
        n = len(self.numbers["PositionInStack"])
        if n == 0:
            raise ParticleError(
                f"{self.path}: has no rows, so there are no particles. Check the selection that "
                "made this file."
            )
        values = {label: self._finite(label, n) for label in NUMBERS}
        optics, optics_of_particle = self._optics(values)
        euler = np.stack([values[label] for label in ANGLES], axis=1)
        with np.errstate(over="ignore"):  # what is beyond every microscope is refused below
            phase_shift = np.degrees(values["PhaseShift"])
        weight, notes = self._weights(values[OCCUPANCY], values[ACTIVITY])
        columns = ParticleColumns(
            places=self._places(values["PositionInStack"], stack),
            rotation=rotation_from_euler(require_turns(euler, self.row_name)),
            shift_angstrom=-np.stack([values["XShift"], values["YShift"]], axis=1),
            ctf=CtfParameters(
                defocus_u_angstrom=values["Defocus1"],
                defocus_v_angstrom=values["Defocus2"],
                defocus_angle_degrees=values["DefocusAngle"],
                phase_shift_degrees=phase_shift,
                b_factor_square_angstrom=np.zeros(n),
                ctf_scale=np.ones(n),
            ),
            optics=optics,
            optics_of_particle=optics_of_particle,
            half_set=self._half_sets(values["AssignedSubset"]),
            micrographs=self.micrographs,
            expansion=None,
            protein_sign=-1,
            weight=weight,
            notes=(*notes, *note_ignored(self.program, self.telling)),
        )
        return require_plausible(columns, self)

    def _weights(
        self, occupancy: Float[np.ndarray, " n"], activity: Float[np.ndarray, " n"]
    ) -> tuple[Float32[np.ndarray, " n"] | None, tuple[str, ...]]:
        """Give how much each particle counts, and that in words; None if all count fully."""
        good = (occupancy >= 0) & (occupancy <= FULL + ROUNDING)
        self._require(OCCUPANCY, occupancy, good, "0 to 100. Correct the table")
        weight = np.where(activity < 0, 0.0, np.minimum(occupancy, FULL) / FULL)
        if (weight == 1).all():
            return None, ()
        if not weight.any():
            raise ParticleError(
                f"{self.path}: no particle counts: all have an occupancy of 0 or are inactive. "
                "Give the table of a class that holds particles."
            )
        n_inactive, n_part = int(np.sum(activity < 0)), int(np.sum((weight > 0) & (weight < 1)))
        n_empty = int(np.sum(weight == 0)) - n_inactive
        hint = ", of at most 1 %; if these are fractions, multiply them by 100"
        note = (
            f"of {len(weight)} particles {n_inactive} are inactive and {n_empty} have an "
            f"occupancy of 0, which do not count; {n_part} count by their occupancy"
            f"{hint if occupancy.max() <= 1 else ''}"
        )
        return weight.astype(np.float32), (note,)

    def _finite(self, label: str, n: int) -> Float[np.ndarray, " n"]:
        if label not in self.numbers:
            return np.full(n, OPTIONAL[label])
        values, good = self.numbers[label], np.isfinite(self.numbers[label])
        like_this = f"a finite number (rows like this: {np.count_nonzero(~good)})"
        self._require(label, values, good, f"{like_this}. Correct or remove these rows")
        return values

    def _places(self, position: Float[np.ndarray, " n"], stack: Path | None) -> ImagePlaces:
        good = is_count(position, 1)
        expected = "images counted from 1. Correct the table"
        self._require("PositionInStack", position, good, expected)
        stacks = self.stacks
        if stack is not None:
            stacks = Names((str(stack),), np.zeros(len(position), np.int32))
        if stacks is None or not all(stacks.texts):
            beside = next(
                filter(Path.is_file, map(self.path.with_suffix, (".mrc", ".mrcs"))), None
            )
            if beside is None:
                raise ParticleError(
                    f"{self.path}: does not say in which stack its images are, and there is no "
                    f"{self.path.stem}.mrc or .mrcs beside it. Give the stack with --stack."
                )
            stacks = Names((str(beside),), np.zeros(len(position), np.int32))
        return ImagePlaces(stacks.texts, stacks.of_particle, position.astype(np.int64) - 1)

    def _half_sets(self, subset: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        expected = "1 or 2, or 0 for none. Correct the table"
        self._require("AssignedSubset", subset, np.isin(subset, (0, 1, 2)), expected)
        return subset.astype(np.int8)

    def _optics(self, values: Mapping[str, Float[np.ndarray, " n"]]) -> GroupsOfParticles:
        labels = (*OPTICS, "BeamTiltX", "BeamTiltY")
        first_rows, index = group_rows([values[label] for label in labels])
        groups = []
        for number, row in enumerate(first_rows.tolist(), start=1):
            pixel, voltage, cs, contrast, *tilt = (float(values[label][row]) for label in labels)
            try:
                microscope = Microscope(
                    voltage, cs, contrast, beam_tilt_mrad=(tilt[0] + 0.0, tilt[1] + 0.0)
                )
                name = f"opticsGroup{number}"
                group = OpticsGroup(
                    number, name, pixel, box=0, microscope=microscope, ctf_premultiplied=False
                )
                groups.append(group)
            except ValueError as error:
                self._refuse(row, f"{error}. Correct the table")
        return tuple(groups), index

    def _require(
        self,
        label: str,
        values: Float[np.ndarray, " n"],
        good: Bool[np.ndarray, " n"],
        expected: str,
    ) -> None:
        """Refuse the first row whose value is not good."""
        if not good.all():
            row = int(np.argmin(good))
            self._refuse(row, f"{label} is {values[row]:g}, expected {expected}")

    def _refuse(self, row: int, what: str) -> NoReturn:
        raise ParticleError(f"{self.path}, {self.row_name(row)}: {what}.")


def count_rows(columns: ParticleColumns) -> dict[str, Shaped[np.ndarray, " n"]]:
    """Say particles in cisTEM's numeric columns; the inverse of `CountedRows.columns`."""
    group = columns.optics_of_particle
    euler = euler_from_rotation(columns.rotation)
    ctf = columns.ctf
    per_group = {
        "PixelSize": [g.pixel_size_angstrom for g in columns.optics],
        "MicroscopeVoltagekV": [g.microscope.voltage_kilovolt for g in columns.optics],
        "MicroscopeCsMM": [g.microscope.spherical_aberration_mm for g in columns.optics],
        "AmplitudeContrast": [g.microscope.amplitude_contrast for g in columns.optics],
        "BeamTiltX": [g.microscope.beam_tilt_mrad[0] for g in columns.optics],
        "BeamTiltY": [g.microscope.beam_tilt_mrad[1] for g in columns.optics],
    }
    n = len(group)
    said = {
        "PositionInStack": columns.places.slice_of_particle + 1,
        **{label: euler[:, i] for i, label in enumerate(ANGLES)},
        "XShift": -columns.shift_angstrom[:, 0],
        "YShift": -columns.shift_angstrom[:, 1],
        "Defocus1": ctf.defocus_u_angstrom,
        "Defocus2": ctf.defocus_v_angstrom,
        "DefocusAngle": ctf.defocus_angle_degrees,
        "PhaseShift": np.radians(ctf.phase_shift_degrees),
        ACTIVITY: np.ones(n, np.int64),
        OCCUPANCY: FULL * (np.ones(n) if columns.weight is None else columns.weight),
        "AssignedSubset": columns.half_set.astype(np.int64),
        "LogP": np.zeros(n),
        "Sigma": np.ones(n),
        "Score": np.zeros(n),
    }
    return said | {label: np.array(values)[group] for label, values in per_group.items()}


def describe_losses(columns: ParticleColumns) -> list[str]:
    """Name what these particles have and cisTEM's columns cannot hold."""
    lost = []
    microscopes = [group.microscope for group in columns.optics]
    if any(any(m.odd_zernike) or any(m.even_zernike) for m in microscopes):
        lost.append("Zernike aberrations")
    if any(m.magnification_matrix != ((1.0, 0.0), (0.0, 1.0)) for m in microscopes):
        lost.append("anisotropic magnification")
    if columns.ctf.b_factor_square_angstrom.any():
        lost.append("B-factors of the CTF")
    if (columns.ctf.ctf_scale != 1).any():
        lost.append("scale factors of the CTF")
    if any(group.ctf_premultiplied for group in columns.optics):
        lost.append("that images are multiplied by their CTF")
    lost += describe_shown_ctf(columns.optics)
    if columns.expansion is not None:
        lost.append("which rows are copies under which symmetry operator")
    return lost


def say_in_files(
    path: Path,
    columns: Mapping[str, Column],
    n_rows: int,
    occupancy: Float[np.ndarray, " m"] | None = None,
) -> tuple[list[tuple[Path, Said]], tuple[str, ...]]:
    """Translate columns named as RELION's into cisTEM's.

    Args:
        path: File of all classes.
        columns: By label.
        n_rows: How many values each has.
        occupancy: Of each particle before, which those of its classes sum to; 100 if left out.

    Returns:
        Each file to write with its columns, that of all classes first; and the labels for which
        there is no place.

    Raises:
        ValueError: If a column has not `n_rows` values.
    """
    require_lengths(columns, n_rows)
    said: Said = {}
    lost = []
    for label, values in columns.items():
        if label in SAID:
            name, say = SAID[label]
            dtype = np.int64 if name in INTEGERS else np.float64
            said[name] = say(np.asarray(values)).astype(dtype)
        elif label == IMAGE_LABEL:
            places = parse_image_names(list(values), path)
            said[INTEGERS[0]] = places.slice_of_particle + 1
            said[STACK] = np.array(places.stacks)[places.stack_of_particle]
        elif label not in (POSTERIOR_LABEL, CLASS_LABEL) or POSTERIOR_LABEL not in columns:
            lost.append(label)
    of_classes = [
        (class_path, said | {OCCUPANCY: share})
        for class_path, share in class_files(path, columns.get(POSTERIOR_LABEL))
    ]
    files = [(path, said), *of_classes]
    if occupancy is not None:
        part = np.clip(occupancy, 0, FULL) / FULL
        files = [
            (name, one | {OCCUPANCY: one[OCCUPANCY] * part} if OCCUPANCY in one else one)
            for name, one in files
        ]
    return files, tuple(lost)


def class_files(
    path: Path, posteriors: Column | None
) -> list[tuple[Path, Float[np.ndarray, " m"]]]:
    """Name the file of each class, and give the occupancies (0 to 100) of the particles in it."""
    if posteriors is None:
        return []
    posteriors = np.asarray(posteriors, np.float64)
    return [
        (path.with_name(f"{path.stem}_class{number:03d}{path.suffix}"), 100.0 * column)
        for number, column in enumerate(posteriors.T, start=1)
    ]


def class_paths(path: Path, classes: Classes | None) -> list[Path]:
    """Name every file of a new table: where posteriors are known, also one per class."""
    posteriors = None if classes is None else classes.posterior
    return [path, *(other for other, _ in class_files(path, posteriors))]


def as_names(texts: Iterable[str]) -> Names:
    """Index a column of texts, without the quotes cisTEM puts around them."""
    return Names.index(text.strip("'\"") for text in texts)


def telling_columns(numbers: Mapping[str, Float[np.ndarray, " n"]], program: str) -> list[str]:
    """Name those of the columns that count for nothing here which say something."""
    return [
        name
        for use in uses_of(program, "ignored")
        for name in use.columns
        if name in numbers and says_something(numbers[name], use.neutral)
    ]
