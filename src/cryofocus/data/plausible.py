"""What no particle has: numbers beyond every microscope, and names that are none.

Damaged tables hold such numbers, which would overflow far from where they were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.complaints import show
from cryofocus.data.expansion import NamedRows
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import Names, ParticleColumns
from cryofocus.errors import ParticleError

# Line breaks and what moves a terminal's cursor; half characters, which cannot be written. Bytes
# that are no UTF-8 are kept (they stand at U+DC80 to U+DCFF).
NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
# Å, degrees and so on; all of them far beyond what is ever measured.
LARGEST = 1e6
LARGEST_DEFOCUS_ANGSTROM = 1e7
PIXEL_SIZES_ANGSTROM, VOLTAGES_KILOVOLT = (1e-3, 1e4), (1.0, 1e4)
LARGEST_BOX, LARGEST_COUNT = 1 << 16, 1 << 31
ROUNDING = 1e-3
LONGEST_NAME = 4096


def require_plausible(columns: ParticleColumns, table: NamedRows) -> ParticleColumns:
    """Return the particles of a table if they may be some.

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
    for group in columns.optics:
        if fault := _fault_of_group(group):
            raise ParticleError(f"{table.path}: optics group {group.number}: {fault}. Correct it.")
    places, micrographs = columns.places, columns.micrographs
    stacks = Names(places.stacks, places.stack_of_particle)
    _require_names(stacks, "image stack", table)
    if micrographs is not None:
        _require_names(micrographs, "micrograph", table)
    return columns


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
    yield "the angle of the defocus, in degrees,", ctf.defocus_angle_degrees, LARGEST
    yield "the phase shift, in degrees,", ctf.phase_shift_degrees, LARGEST
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
    matrix = (value for row in scope.magnification_matrix for value in row)
    others = (
        *(scope.spherical_aberration_mm, *scope.beam_tilt_mrad),
        *(*scope.odd_zernike, *scope.even_zernike, *matrix),
    )
    wrong = next((value for value in others if not abs(value) <= LARGEST), None)
    if wrong is not None:
        return f"found {wrong:g} among aberrations and magnification"
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
