"""Columns of a RELION particle table: poses, CTF, half sets, micrographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from jaxtyping import Float, Int

from cryofocus.complaints import cut
from cryofocus.data.foreign.misspelt import find_misspelt
from cryofocus.data.labels import (
    ANGLE_LABELS,
    DEFOCUS_LABELS,
    EXPANSION_LABELS,
    FIND_POSES,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    MICROGRAPH_LABEL,
    PHASE_SHIFT_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import Column, Names
from cryofocus.data.plausible import require_probabilities, require_turns
from cryofocus.data.relion.optics import OPTICS_LABELS, read_optics
from cryofocus.data.relion.other_tables import name_other_table
from cryofocus.data.star.document import StarDocument, StarTable
from cryofocus.data.star.faults import names_image
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import FormatError, ParticleError
from cryofocus.maths.ctf import CtfParameters
from cryofocus.maths.rotations import rotation_from_euler

# Before 3.1, in pixels.
SHIFT_PIXEL_LABELS = ("rlnOriginX", "rlnOriginY")
# Their values where a table has no such column.
OPTIONAL_CTF = {PHASE_SHIFT_LABEL: 0.0, "rlnCtfBfactor": 0.0, "rlnCtfScalefactor": 1.0}
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
        _refuse_without_images(document)
    named = [block for block in candidates if block.name == "particles"]
    candidates = named or candidates
    if len(candidates) > 1:
        lines = " and ".join(str(block.label_lines[0] + 1) for block in candidates[:2])
        raise ParticleError(
            f"{document.path}, lines {lines}: two tables of particles; expected one. Join their "
            "rows under one header, or remove the wrong one."
        )
    particles = candidates[0]
    if particles.n_rows == 0:
        raise ParticleError(
            f"{document.path}: {particles.title} has no rows, so there are no particles. "
            "Check the selection that made this file, or whether it was cut short."
        )
    return particles


def _refuse_without_images(document: StarDocument) -> NoReturn:
    """Say why a file has no loop with a column of images."""
    if fault := document.header_fault():
        raise FormatError(f"{document.path}, {fault}")
    if pairs := document.block_with(IMAGE_LABEL):
        line = pairs.label_lines[pairs.labels.index(IMAGE_LABEL)] + 1
        raise FormatError(
            f"{document.path}, line {line}: {pairs.title} has one value behind each label, "
            "expected a line 'loop_', then the labels, then rows of values. Write it so."
        )
    for block in document.blocks:
        if block.is_loop and any(names_image(document.lines[row]) for row in block.row_lines[:1]):
            document.read_table(block, text=block.labels[:1])  # refuses rows that lack a label
    meant = find_misspelt(IMAGE_LABEL, [label for one in document.blocks for label in one.labels])
    hint = f" (is {meant} misspelt?)" if meant else ""
    raise ParticleError(
        f"{document.path}: no table has a column {IMAGE_LABEL}{hint}, so there are no particle "
        f"images. {name_other_table(document)}"
    )


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
    _require(table, ANGLE_LABELS, f"poses: {{}}. {FIND_POSES}")
    angles = np.stack([table.finite(label) for label in ANGLE_LABELS], axis=1)
    return rotation_from_euler(require_turns(angles, table.place))


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
            with np.errstate(over="ignore"):  # what is beyond every microscope is refused later
                shift[:, axis] = table.finite(pixels) * pixel_size_angstrom
    return shift


def has_pixel_shifts(block: StarBlock) -> bool:
    """Whether a table has its origins in pixels, as RELION wrote them before 3.1."""
    return SHIFT_PIXEL_LABELS[0] in block.labels and SHIFT_LABELS[0] not in block.labels


def shift_units(document: StarDocument, block: StarBlock) -> Float[np.ndarray, " n"] | None:
    """Give Å per pixel of each particle, if that is the unit of a table's origins."""
    if not has_pixel_shifts(block):
        return None
    table = document.read_table(block, numeric=OPTICS_LABELS)
    groups, group = read_optics(table, needs_ctf=False)
    return np.array([g.pixel_size_angstrom for g in groups])[group]


def own_shifts(
    columns: Mapping[str, Column], units: Float[np.ndarray, " m"] | None
) -> dict[str, Column]:
    """Say origins in Å, if there are any among the columns, as a table says them.

    Args:
        columns: By label.
        units: Of the rows, from `shift_units`.
    """
    if units is None:
        return dict(columns)
    in_pixels = dict(zip(SHIFT_LABELS, SHIFT_PIXEL_LABELS, strict=True))
    return {
        in_pixels.get(label, label): (
            np.asarray(column, np.float64) / units if label in in_pixels else column
        )
        for label, column in columns.items()
    }


def read_ctf(table: StarTable, *, needed: bool = True) -> CtfParameters:
    """Give what the CTF needs of each particle.

    Args:
        table: The particles.
        needed: Whether there have to be defoci; otherwise those that are missing are 0.

    Raises:
        ParticleError: If a defocus column is missing or a value is not finite.
    """
    if needed:
        advice = "Estimate the CTF first, give --ctf none if the images show none"
        _require(table, DEFOCUS_LABELS, f"CTF: {{}}. {advice}")
    defaults = dict.fromkeys(DEFOCUS_LABELS, 0.0) | OPTIONAL_CTF
    columns = [
        table.finite(label) if table.has(label) else np.full(table.n_rows, default)
        for label, default in defaults.items()
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
    return Names.index(table.texts[MICROGRAPH_LABEL])


def read_posteriors(table: StarTable) -> Float[np.ndarray, "n k"] | None:
    """Give the posteriors of all classes, such as [0.2,0.8]; None where a table has none.

    Raises:
        FormatError: If a cell holds something else, or vectors differ in length.
        ParticleError: If a number is no probability.
    """
    texts = table.texts.get(POSTERIOR_LABEL)
    if texts is None:
        return None
    rows = [text.strip("[]").split(",") for text in texts]
    try:
        posteriors = np.array(rows, np.float64).reshape(len(rows), -1)
    except ValueError as error:
        raise FormatError(
            f"{table.path}: {POSTERIOR_LABEL} must hold vectors of one length, such as [0.2,0.8] "
            f"({cut(str(error))}). "
            "Correct or remove the column."
        ) from error
    require_probabilities(posteriors, table.path, POSTERIOR_LABEL)
    return posteriors


def _require(table: StarTable, labels: tuple[str, ...], advice: str) -> None:
    missing = [label for label in labels if not table.has(label)]
    if missing:
        unknown = set(table.block.labels) - set(UNDERSTOOD_LABELS)
        meant = [found for label in missing if (found := find_misspelt(label, unknown))]
        hint = f" (is {', '.join(meant)} misspelt?)" if meant else ""
        what = advice.format(f"{', '.join(missing)} missing{hint}")
        raise ParticleError(
            f"{table.path}: {table.block.title} has no {what}, or give the file that holds "
            "these columns."
        )
