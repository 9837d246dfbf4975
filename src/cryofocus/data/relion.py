"""Columns of a RELION particle table: poses, CTF, half sets, micrographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.star import StarDocument
from cryofocus.data.star_scan import StarBlock
from cryofocus.errors import ParticleError
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
# Rows of an expanded set share their image.
EXPANSION_LABELS = ("cryofocusParent", "cryofocusOperator")


def find_particles(document: StarDocument) -> StarBlock:
    """Return the table of particles: the loop with a column rlnImageName.

    Raises
    ------
    ParticleError
        If there is none, or it has no rows.
    """
    candidates = [block for block in document.blocks if IMAGE_LABEL in block.labels]
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


def read_rotations(document: StarDocument, particles: StarBlock) -> Float[np.ndarray, "n 3 3"]:
    """Read the rotation matrices.

    Raises
    ------
    ParticleError
        If an angle column is missing or an angle is not finite.
    """
    _require(document, particles, ANGLE_LABELS, "poses", "Refine the particles first")
    columns = _finite_numbers(document, particles, ANGLE_LABELS)
    return rotation_from_euler(np.stack([columns[label] for label in ANGLE_LABELS], axis=1))


def read_shifts(
    document: StarDocument, particles: StarBlock, pixel_size_angstrom: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 2"]:
    """Read the origins in Å; those of RELION 3.0 are in pixels; 0 where a table has none.

    Raises
    ------
    ParticleError
        If an origin is not finite.
    """
    shift = np.zeros((particles.n_rows, 2))
    for axis, (angstrom, pixels) in enumerate(zip(SHIFT_LABELS, SHIFT_PIXEL_LABELS, strict=True)):
        if angstrom in particles.labels:
            shift[:, axis] = _finite_numbers(document, particles, [angstrom])[angstrom]
        elif pixels in particles.labels:
            in_pixels = _finite_numbers(document, particles, [pixels])[pixels]
            shift[:, axis] = in_pixels * pixel_size_angstrom
    return shift


def read_ctf(document: StarDocument, particles: StarBlock) -> CtfParameters:
    """Read what the CTF needs of each particle.

    Raises
    ------
    ParticleError
        If a defocus column is missing or a value is not finite.
    """
    _require(document, particles, DEFOCUS_LABELS, "CTF", "Estimate the CTF first")
    optional = [label for label in OPTIONAL_CTF if label in particles.labels]
    columns = _finite_numbers(document, particles, [*DEFOCUS_LABELS, *optional])
    for label, default in OPTIONAL_CTF.items():
        columns.setdefault(label, np.full(particles.n_rows, default))
    return CtfParameters(*(columns[label] for label in (*DEFOCUS_LABELS, *OPTIONAL_CTF)))


def read_half_sets(document: StarDocument, particles: StarBlock) -> Int[np.ndarray, " n"]:
    """Read the half sets: 1 or 2, or 0 throughout where a table has none.

    Raises
    ------
    ParticleError
        If a value is neither 1 nor 2.
    """
    if HALF_SET_LABEL not in particles.labels:
        return np.zeros(particles.n_rows, np.int8)
    subset = document.numbers(particles, [HALF_SET_LABEL])[HALF_SET_LABEL]
    wrong = np.flatnonzero(~np.isin(subset, (1, 2)))
    if wrong.size:
        raise ParticleError(
            f"{document.row_place(particles, int(wrong[0]))}: {HALF_SET_LABEL} is "
            f"{subset[wrong[0]]:g}, expected 1 or 2. Correct or remove the column."
        )
    return subset.astype(np.int8)


def read_micrographs(document: StarDocument, particles: StarBlock) -> Int[np.ndarray, " n"] | None:
    """Read the micrographs as numbers in order of appearance; None if the table has no names."""
    if MICROGRAPH_LABEL not in particles.labels:
        return None
    names = document.texts(particles, [MICROGRAPH_LABEL])[MICROGRAPH_LABEL]
    index: dict[str, int] = {}
    return np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int32)


def is_expanded(particles: StarBlock) -> bool:
    """Whether several rows may show the same image under different operators."""
    return any(label in particles.labels for label in EXPANSION_LABELS)


def _require(
    document: StarDocument,
    particles: StarBlock,
    labels: Sequence[str],
    what: str,
    advice: str,
) -> None:
    missing = [label for label in labels if label not in particles.labels]
    if missing:
        raise ParticleError(
            f"{document.path}: data_{particles.name} has no {what}: {', '.join(missing)} missing. "
            f"{advice}, or give the file that holds these columns."
        )


def _finite_numbers(
    document: StarDocument, particles: StarBlock, labels: Sequence[str]
) -> dict[str, Float[np.ndarray, " n"]]:
    columns = document.numbers(particles, labels)
    for label, values in columns.items():
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            raise ParticleError(
                f"{document.row_place(particles, int(wrong[0]))}: {label} is {values[wrong[0]]}, "
                f"expected a finite number ({wrong.size} such rows). Remove these particles."
            )
    return columns
