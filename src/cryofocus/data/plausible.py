"""What no particle has: numbers beyond every microscope, and names that are none.

Damaged tables hold such numbers, which would overflow far from where they were read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.complaints import show
from cryofocus.data.expansion import NamedRows
from cryofocus.data.foreign.doubts import LEAST_DEFOCUS_ANGSTROM, doubts_of_table
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import Names, ParticleColumns
from cryofocus.errors import ParticleError
from cryofocus.maths.ctf import phase_basis

# Line breaks and what moves a terminal's cursor; half characters, which cannot be written. Bytes
# that are no UTF-8 are kept (they stand at U+DC80 to U+DCFF).
NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
# Å and so on; all of them far beyond what is ever measured.
LARGEST = 1e6
# Two turns; degrees taken for radians are more.
LARGEST_ANGLE_DEGREES = 720.0
# Ten turns of a pose, which some programs add up.
LARGEST_TURN_DEGREES = 3600.0
LARGEST_DEFOCUS_ANGSTROM = 1e7
# In mm; no lens of a microscope has more.
LARGEST_SPHERICAL_ABERRATION = 100.0
# Singular values of magnification matrices.
MAGNIFICATIONS = (0.5, 2.0)
# Mean size of a CTF that shows anything, on a grid of so many pixels, and of so many particles.
LEAST_CTF, PROBE_BOX, AT_ONCE = 0.01, 16, 100
PIXEL_SIZES_ANGSTROM, VOLTAGES_KILOVOLT = (1e-3, 1e4), (1.0, 1e4)
LARGEST_BOX, LARGEST_COUNT = 1 << 16, 1 << 31
ROUNDING = 1e-3
LONGEST_NAME = 4096


def require_plausible(columns: ParticleColumns, table: NamedRows) -> ParticleColumns:
    """Return the particles of a table if they may be some.

    Returns:
        With notes of what is hardly meant so.

    Raises:
        ParticleError: When a number is not finite or beyond every microscope, or the name of a
            stack or micrograph is none; the message says in which row.
    """
    for what, values, largest in _numbers(columns):
        good = np.abs(values) <= largest  # NaN is not
        if not good.all():
            row = int(np.argmin(good))
            raise ParticleError(
                f"{table.path}, {table.row_name(row)}: {what} is {values[row]:g}; expected at "
                f"most {largest:g} (rows like this: {int((~good).sum())}). Correct or remove "
                "these rows."
            )
    _require_angstrom(columns, table)
    _require_signal(columns, table)
    used = np.unique(columns.optics_of_particle).tolist()
    for group in (columns.optics[index] for index in used):
        if fault := _fault_of_group(group):
            raise ParticleError(f"{table.path}: optics group {group.number}: {fault}. Correct it.")
    places, micrographs = columns.places, columns.micrographs
    stacks = Names(places.stacks, places.stack_of_particle)
    _require_names(stacks, "image stack", table)
    if micrographs is not None:
        _require_names(micrographs, "micrograph", table)
    return replace(columns, notes=(*columns.notes, *doubts_of_table(columns)))


def require_turns(
    angles: Float[np.ndarray, "n 3"], place: Callable[[int], str]
) -> Float[np.ndarray, "n 3"]:
    """Return Euler angles if they are a few turns at most, as adding them up leaves them.

    Args:
        angles: Degrees.
        place: Names a row.

    Raises:
        ParticleError: When one is more.
    """
    wrong = np.argwhere(np.abs(angles) > LARGEST_TURN_DEGREES)
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ParticleError(
            f"{place(row)}: an angle of the pose is {angles[row, column]:g} degrees; expected "
            f"-180 to 180, and at most {LARGEST_TURN_DEGREES:g} (such angles: {len(wrong)}). "
            "Correct or remove these rows."
        )
    return angles


def _require_angstrom(columns: ParticleColumns, table: NamedRows) -> None:
    """Refuse defoci that are given in µm."""
    largest = float(np.abs(columns.ctf.defocus_u_angstrom).max(initial=0))
    if 0 < largest < LEAST_DEFOCUS_ANGSTROM:
        raise ParticleError(
            f"{table.path}: defoci of at most {largest:.3g} Å; expected thousands. They may be in "
            "µm: multiply them by 10,000."
        )


def _require_signal(columns: ParticleColumns, table: NamedRows) -> None:
    """Refuse CTFs that show nothing of any particle."""
    if len(columns.ctf.ctf_scale) and not columns.ctf.ctf_scale.any():
        raise ParticleError(
            f"{table.path}: the scale factor of the CTF is 0 in all rows, so that no image shows "
            "anything. Remove the column, or set it to 1."
        )


def require_shown(columns: ParticleColumns, path: Path) -> None:
    """Refuse optics groups whose images show nothing of their particles: the CTF is nowhere there.

    Raises:
        ParticleError: Naming the group.
    """
    phases = replace(
        columns.ctf,
        b_factor_square_angstrom=np.zeros_like(columns.ctf.ctf_scale),
        ctf_scale=np.ones_like(columns.ctf.ctf_scale),
    )
    for index in np.unique(columns.optics_of_particle).tolist():
        group = columns.optics[index]
        rows = np.flatnonzero(columns.optics_of_particle == index)
        basis = phase_basis(group.microscope, PROBE_BOX, group.pixel_size_angstrom)
        parts = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
        sizes = (np.abs(group.ctf_on(basis, phases.take(part))).mean() for part in parts)
        if all(size < LEAST_CTF for size in sizes):
            raise ParticleError(
                f"{path}: optics group {group.number}: with these defoci, this spherical "
                "aberration and this amplitude contrast the CTF is 0 at every frequency, so that "
                "its images show nothing. Correct the numbers, or give --ctf none if the images "
                "show no CTF."
            )


def is_count(values: Float[np.ndarray, " n"], first: int = 0) -> Bool[np.ndarray, " n"]:
    """Tell which values are whole numbers that could count something, from the first on."""
    is_whole = (values >= first) & (values < LARGEST_COUNT) & (values == np.rint(values))
    return np.asarray(is_whole)


def require_probabilities(values: Float[np.ndarray, "n k"], path: Path, name: str) -> None:
    """Check class posteriors.

    Raises:
        ParticleError: When one is not between 0 and 1.
    """
    good = ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise ParticleError(
            f"{path}: {name} of row {row + 1} is {show(values[row].tolist())}; expected "
            "probabilities from 0 to 1. Correct or remove the column."
        )


def _numbers(
    columns: ParticleColumns,
) -> Iterator[tuple[str, Float[np.ndarray, " n"], float]]:
    ctf = columns.ctf
    yield "the shift along x, in Å,", columns.shift_angstrom[:, 0], LARGEST
    yield "the shift along y, in Å,", columns.shift_angstrom[:, 1], LARGEST
    yield "the first defocus, in Å,", ctf.defocus_u_angstrom, LARGEST_DEFOCUS_ANGSTROM
    yield "the second defocus, in Å,", ctf.defocus_v_angstrom, LARGEST_DEFOCUS_ANGSTROM
    yield "the angle of the defocus, in degrees,", ctf.defocus_angle_degrees, LARGEST_ANGLE_DEGREES
    yield "the phase shift, in degrees,", ctf.phase_shift_degrees, LARGEST_ANGLE_DEGREES
    yield "the B factor of the CTF, in Å²,", ctf.b_factor_square_angstrom, LARGEST
    yield "the scale factor of the CTF", ctf.ctf_scale, LARGEST


def _fault_of_group(group: OpticsGroup) -> str | None:
    """Say what is wrong with an optics group, if anything is."""
    low, high = PIXEL_SIZES_ANGSTROM
    scope = group.microscope
    if not low <= group.pixel_size_angstrom <= high:
        return f"pixel size {group.pixel_size_angstrom:g} Å; expected {low:g} to {high:g}"
    low, high = VOLTAGES_KILOVOLT
    if not low <= scope.voltage_kilovolt <= high:
        return f"voltage {scope.voltage_kilovolt:g} kV; expected {low:g} to {high:g}"
    if not 0 <= group.box <= LARGEST_BOX:
        return f"a box of {show(group.box)} pixels; expected at most {LARGEST_BOX}"
    if abs(group.number) >= LARGEST_COUNT:
        return "expected a number from 1"
    if fault := _fault_of_magnification(np.array(scope.magnification_matrix)):
        return fault
    cs = scope.spherical_aberration_mm
    if abs(cs) > LARGEST_SPHERICAL_ABERRATION:
        return f"a spherical aberration of {cs:g} mm; expected 0 to 5"
    others = (
        *(cs, *scope.beam_tilt_mrad),
        *(*scope.odd_zernike, *scope.even_zernike),
    )
    wrong = next((value for value in others if not abs(value) <= LARGEST), None)
    if wrong is not None:
        return f"found {wrong:g} among aberrations"
    return None


def _fault_of_magnification(matrix: Float[np.ndarray, "2 2"]) -> str | None:
    low, high = MAGNIFICATIONS
    values = np.linalg.svd(matrix, compute_uv=False) if np.isfinite(matrix).all() else [np.inf]
    if not (low <= min(values) and max(values) <= high):
        return (
            f"a magnification matrix {show(matrix.ravel().tolist())}; expected a change by a few "
            "per cent"
        )
    if np.linalg.det(matrix) < 0:
        return f"a magnification matrix {show(matrix.ravel().tolist())}, which mirrors the images"
    return None


def _require_names(names: Names, kind: str, table: NamedRows) -> None:
    for index, text in enumerate(names.texts):
        if NO_NAME.search(text) or len(text) > LONGEST_NAME:
            row = int(np.argmax(names.of_particle == index))
            fault = "has characters that no name has"
            if len(text) > LONGEST_NAME:
                fault = f"has {len(text)} characters, more than any name"
            raise ParticleError(
                f"{table.path}, {table.row_name(row)}: the {kind} is {show(text)}, which {fault}. "
                "Rename it."
            )
