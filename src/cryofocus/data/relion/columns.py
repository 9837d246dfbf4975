"""Columns of a RELION particle table: poses, CTF, half sets, micrographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.expansion import Expansion, first_repeat
from cryofocus.data.optics import OPTICS_LABELS
from cryofocus.data.particle_table import Names
from cryofocus.data.star.document import StarDocument, StarTable
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import FormatError, ParticleError
from cryofocus.maths.ctf import CtfParameters
from cryofocus.maths.rotations import rotation_from_euler

IMAGE_LABEL = "rlnImageName"
HALF_SET_LABEL = "rlnRandomSubset"
MICROGRAPH_LABEL = "rlnMicrographName"
ANGLE_LABELS = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
SHIFT_LABELS = ("rlnOriginXAngst", "rlnOriginYAngst")
# Before 3.1, in pixels.
SHIFT_PIXEL_LABELS = ("rlnOriginX", "rlnOriginY")
DEFOCUS_LABELS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
# Their values where a table has no such column.
OPTIONAL_CTF = {"rlnPhaseShift": 0.0, "rlnCtfBfactor": 0.0, "rlnCtfScalefactor": 1.0}
# Row of the parent in the table that was expanded, and number of the operator, both from 1.
EXPANSION_LABELS = ("cryofocusParent", "cryofocusOperator")
CLASS_LABEL, POSTERIOR_LABEL = "rlnClassNumber", "cryofocusClassPosterior"
MAX_POSTERIOR_LABEL = "rlnMaxValueProbDistribution"
NUMERIC_LABELS = (
    *(*ANGLE_LABELS, *SHIFT_LABELS, *SHIFT_PIXEL_LABELS),
    *(*DEFOCUS_LABELS, *OPTIONAL_CTF, HALF_SET_LABEL, *OPTICS_LABELS),
    *EXPANSION_LABELS,
)
UNDERSTOOD_LABELS = (*NUMERIC_LABELS, IMAGE_LABEL, MICROGRAPH_LABEL)


def find_particles(document: StarDocument) -> StarBlock:
    """Return the table of particles: the loop with a column rlnImageName.

    Raises:
        ParticleError: If there is none, or it has no rows.
    """
    loops = [block for block in document.blocks if block.is_loop]
    candidates = [block for block in loops if IMAGE_LABEL in block.labels]
    if not candidates:
        raise ParticleError(
            f"{document.path}: no table has a column {IMAGE_LABEL}, so there are no particle "
            "images. Give a particle STAR file, such as run_data.star."
        )
    particles = next((block for block in candidates if block.name == "particles"), candidates[0])
    if particles.n_rows == 0:
        raise ParticleError(
            f"{document.path}: data_{particles.name} has no rows, so there are no particles. "
            "Check the selection that made this file."
        )
    return particles


def read_particle_table(document: StarDocument) -> StarTable:
    """Read every column of the particle table that this package understands.

    Raises:
        ParticleError: If there are no particles.
        FormatError: If a row is damaged.
    """
    texts = (IMAGE_LABEL, MICROGRAPH_LABEL)
    return document.read_table(find_particles(document), numeric=NUMERIC_LABELS, text=texts)


def read_rotations(table: StarTable) -> Float[np.ndarray, "n 3 3"]:
    """Give the rotation matrices of the poses.

    Raises:
        ParticleError: If an angle column is missing or an angle is not finite.
    """
    _require(table, ANGLE_LABELS, "poses: {}. Refine the particles first")
    return rotation_from_euler(np.stack([table.finite(label) for label in ANGLE_LABELS], axis=1))


def read_shifts(
    table: StarTable, pixel_size_angstrom: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 2"]:
    """Give the origins in Å; those of RELION 3.0 are in pixels; 0 where a table has none.

    Args:
        table: The particles.
        pixel_size_angstrom: Å per pixel of each particle's image.

    Raises:
        ParticleError: If an origin is not finite.
    """
    shift = np.zeros((table.n_rows, 2))
    for axis, (angstrom, pixels) in enumerate(zip(SHIFT_LABELS, SHIFT_PIXEL_LABELS, strict=True)):
        if table.has(angstrom):
            shift[:, axis] = table.finite(angstrom)
        elif table.has(pixels):
            shift[:, axis] = table.finite(pixels) * pixel_size_angstrom
    return shift


def shift_labels(labels: Sequence[str]) -> list[str]:
    """Name the origins of a table with these columns; in Å where it has none."""
    in_pixels = SHIFT_PIXEL_LABELS[0] in labels and SHIFT_LABELS[0] not in labels
    return list(SHIFT_PIXEL_LABELS if in_pixels else SHIFT_LABELS)


def read_ctf(table: StarTable) -> CtfParameters:
    """Give what the CTF needs of each particle.

    Raises:
        ParticleError: If a defocus column is missing or a value is not finite.
    """
    _require(table, DEFOCUS_LABELS, "CTF: {}. Estimate the CTF first")
    columns = [table.finite(label) for label in DEFOCUS_LABELS]
    columns += [
        table.finite(label) if table.has(label) else np.full(table.n_rows, default)
        for label, default in OPTIONAL_CTF.items()
    ]
    return CtfParameters(*columns)


def read_half_sets(table: StarTable) -> Int[np.ndarray, " n"]:
    """Give the half sets: 1 or 2, or 0 throughout where a table has none.

    Raises:
        ParticleError: If a value is neither 1 nor 2.
    """
    if not table.has(HALF_SET_LABEL):
        return np.zeros(table.n_rows, np.int8)
    subset = table.numbers[HALF_SET_LABEL]
    wrong = np.flatnonzero(~np.isin(subset, (1, 2)))
    if wrong.size:
        raise ParticleError(
            f"{table.place(int(wrong[0]))}: {HALF_SET_LABEL} is {subset[wrong[0]]:g}, "
            "expected 1 or 2. Correct or remove the column."
        )
    return subset.astype(np.int8)


def read_micrographs(table: StarTable) -> Names | None:
    """Give the micrographs in order of appearance; None if the table has no names."""
    if not table.has(MICROGRAPH_LABEL):
        return None
    index: dict[str, int] = {}
    names = table.texts[MICROGRAPH_LABEL]
    numbers = [index.setdefault(name, len(index)) for name in names]
    return Names(tuple(index), np.array(numbers, dtype=np.int32))


def read_expansion(table: StarTable) -> Expansion | None:
    """Give parents and operators of a symmetry-expanded set; None where a table has none.

    Raises:
        ParticleError: If only one of the two columns is there, a value is not a whole number from
            1, or a parent has an operator twice.
    """
    missing = [label for label in EXPANSION_LABELS if not table.has(label)]
    if len(missing) == len(EXPANSION_LABELS):
        return None
    if missing:
        raise ParticleError(
            f"{table.path}: data_{table.block.name} has no {missing[0]}, but the other column "
            f"of a symmetry-expanded set; expected {' and '.join(EXPANSION_LABELS)}. Give the "
            "table as 'cryofocus expand' wrote it."
        )
    for label in EXPANSION_LABELS:
        values = table.numbers[label]
        wrong = np.flatnonzero(~((values >= 1) & (values == np.rint(values))))
        if wrong.size:
            raise ParticleError(
                f"{table.place(int(wrong[0]))}: {label} is {values[wrong[0]]:g}, expected a whole "
                "number from 1. Give the table as 'cryofocus expand' wrote it."
            )
    parent, operator = (table.numbers[label].astype(np.int64) - 1 for label in EXPANSION_LABELS)
    if repeat := first_repeat(parent, operator):
        raise ParticleError(
            f"{table.place(repeat[1])}: a second copy of particle {parent[repeat[0]] + 1} under "
            f"operator {operator[repeat[0]] + 1}, the first being on line "
            f"{table.block.row_lines[repeat[0]] + 1}; expected one. Expanded tables cannot be "
            "joined: join the tables first, then expand."
        )
    return Expansion(parent, operator)


def read_vectors(table: StarTable, label: str) -> Float[np.ndarray, "n k"] | None:
    """Give a column of vectors such as [0.2,0.8]; None where a table has none.

    Raises:
        FormatError: If a cell holds something else, or vectors differ in length.
    """
    texts = table.texts.get(label)
    if texts is None:
        return None
    rows = [text.strip("[]").split(",") for text in texts]
    try:
        return np.array(rows, np.float64).reshape(len(rows), -1)
    except ValueError as error:
        raise FormatError(
            f"{table.path}: {label} must hold vectors of one length, such as [0.2,0.8] ({error}). "
            "Correct or remove the column."
        ) from error


def _require(table: StarTable, labels: tuple[str, ...], advice: str) -> None:
    missing = [label for label in labels if not table.has(label)]
    if missing:
        what = advice.format(f"{', '.join(missing)} missing")
        raise ParticleError(
            f"{table.path}: data_{table.block.name} has no {what}, or give the file that holds "
            "these columns."
        )
