"""RELION's optics: a table of groups or, before 3.1, columns of every particle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import NoReturn

import numpy as np
from jaxtyping import Float

from cryofocus.complaints import cut, show
from cryofocus.data.labels import PIXEL_SIZE_LABEL
from cryofocus.data.optics import CtfShown, GroupsOfParticles, OpticsGroup
from cryofocus.data.plausible import is_count
from cryofocus.data.star.document import StarDocument, StarTable
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import FormatError, ParticleError
from cryofocus.maths.ctf import IDENTITY, NO_CTF, Microscope

Matrix = tuple[tuple[float, float], tuple[float, float]]

MICROSCOPE_LABELS = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
MAGNIFICATION_LABELS = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")
TILT_LABELS = ("rlnBeamTiltX", "rlnBeamTiltY")
ZERNIKE_LABELS = ("rlnOddZernike", "rlnEvenZernike")
# RELION 3.0 gives the detector's pixel in µm and the magnification.
DETECTOR_LABELS = ("rlnDetectorPixelSize", "rlnMagnification")
OPTICS = "optics"  # in whatever case, as all keywords of STAR files
NUMBER_LABEL = "rlnOpticsGroup"
BOX_LABEL = "rlnImageSize"
PREMULTIPLIED_LABEL = "rlnCtfDataAreCtfPremultiplied"
# What each says of the CTF in images, where it is 1.
CTF_LABELS: dict[str, CtfShown] = {
    "rlnCtfDataAreCtfCorrected": "none",
    "rlnCtfDataArePhaseFlipped": "flipped",
}
FLAG_LABELS = (PREMULTIPLIED_LABEL, *CTF_LABELS)
DIMENSIONS_LABEL = "rlnImageDimensionality"
OPTICS_LABELS = (
    *(*MICROSCOPE_LABELS, PIXEL_SIZE_LABEL, *DETECTOR_LABELS, *TILT_LABELS),
    *(*MAGNIFICATION_LABELS, NUMBER_LABEL, BOX_LABEL, *FLAG_LABELS, DIMENSIONS_LABEL),
)
"""Numeric columns of an optics table, or of particles before RELION 3.1."""
ANGSTROM_PER_MICROMETRE = 1.0e4


def find_optics(document: StarDocument) -> StarBlock | None:
    """Return the table of optics groups; None before RELION 3.1."""
    return next((block for block in document.blocks if block.name.lower() == OPTICS), None)


def read_optics(particles: StarTable, *, needs_ctf: bool = True) -> GroupsOfParticles:
    """Read the optics groups and to which each particle belongs.

    RELION 3.1 and later have a table of groups. Before, every particle carried its optics: equal
    ones become a group.

    Args:
        particles: The particles, with their optics columns if they have any.
        needs_ctf: Whether the microscope has to be there; otherwise what is missing is as for a
            CTF of 1.

    Returns:
        groups: Optics groups.
        optics_of_particle: Index into `groups`.

    Raises:
        ParticleError: If columns or groups are missing, or values make no sense.
    """
    document = particles.document
    block = find_optics(document)
    if block is None:
        return _groups_by_particle(particles, needs_ctf=needs_ctf)
    texts = ("rlnOpticsGroupName", *ZERNIKE_LABELS)
    blocks = [one for one in document.blocks if one.name.lower() == OPTICS]
    if particles.block in blocks:
        line = particles.block.label_lines[0] + 1
        raise ParticleError(
            f"{document.path}, line {line}: the particles stand in {block.title}, as a second "
            "table. Add a line 'data_particles' before their 'loop_'."
        )
    if len(blocks) > 1:
        lines = " and ".join(str(one.label_lines[0] + 1) for one in blocks[:2])
        raise ParticleError(
            f"{document.path}, lines {lines}: two optics tables; expected one. Join their rows "
            "under one header, with different numbers of the groups."
        )
    used = set(particles.numbers[NUMBER_LABEL]) if particles.has(NUMBER_LABEL) else None
    table = document.read_table(block, numeric=OPTICS_LABELS, text=texts)
    groups = _groups_of_table(table, used, needs_ctf=needs_ctf)
    if not particles.has(NUMBER_LABEL):
        if len(groups) > 1:
            raise ParticleError(
                f"{document.path}: {len(groups)} optics groups, but the particles have no "
                f"{NUMBER_LABEL}. Add the column."
            )
        return groups, np.zeros(particles.n_rows, np.int32)
    numbers = particles.numbers[NUMBER_LABEL]
    index = np.full(particles.n_rows, -1, np.int32)
    for position, group in enumerate(groups):
        index[numbers == group.number] = position
    if (index < 0).any():
        row = int(np.flatnonzero(index < 0)[0])
        known = ", ".join(str(group.number) for group in groups)
        raise ParticleError(
            f"{particles.place(row)}: {NUMBER_LABEL} is {numbers[row]:g}, but the optics table "
            f"holds {known}. Add the group or correct the number."
        )
    return groups, index


def _groups_of_table(
    table: StarTable, used: set[float] | None, *, needs_ctf: bool
) -> tuple[OpticsGroup, ...]:
    """Return the groups; one that no particle uses is left out where it makes no sense."""
    where = f"{table.path}, data_optics"
    if table.n_rows == 0:
        raise ParticleError(f"{where}: has no rows, expected one for each group. Add them.")
    columns = _optics_columns(table, needs_ctf=needs_ctf)
    numbers = columns.get(NUMBER_LABEL, np.arange(1.0, table.n_rows + 1))
    known, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        twice = known[counts > 1][0]
        raise ParticleError(f"{where}: {NUMBER_LABEL} {twice:g} stands twice. Correct the table.")
    wrong = np.flatnonzero(~is_count(numbers))
    if wrong.size:
        raise ParticleError(
            f"{where}: {NUMBER_LABEL} is {numbers[wrong[0]]:g}, expected a whole number from 1. "
            "Correct the table."
        )
    groups = []
    for row in range(table.n_rows):
        values = {label: float(column[row]) for label, column in columns.items()}
        vectors = [
            _parse_vector(table.texts[label][row], label, where) if label in table.texts else ()
            for label in ZERNIKE_LABELS
        ]
        name = table.texts.get("rlnOpticsGroupName", [""] * table.n_rows)[row]
        try:
            groups.append(_make_group(int(numbers[row]), name, values, vectors, where))
        except ParticleError:
            if used is None or numbers[row] in used:
                raise
    return tuple(groups)


def _groups_by_particle(particles: StarTable, *, needs_ctf: bool) -> GroupsOfParticles:
    if particles.has(NUMBER_LABEL) and not any(map(particles.has, MICROSCOPE_LABELS)):
        _refuse_without_table(particles)
    columns = _optics_columns(particles, needs_ctf=needs_ctf)
    # A group number without a table of groups says nothing: equal optics are one group.
    columns.pop(NUMBER_LABEL, None)
    unique, index = np.unique(
        np.stack(list(columns.values()), axis=1), axis=0, return_inverse=True
    )
    groups = tuple(
        _make_group(
            number,
            f"opticsGroup{number}",
            dict(zip(columns, map(float, row), strict=True)),
            [(), ()],
            str(particles.path),
        )
        for number, row in enumerate(unique, start=1)
    )
    return groups, index.reshape(-1).astype(np.int32)


def _optics_columns(table: StarTable, *, needs_ctf: bool) -> dict[str, Float[np.ndarray, " rows"]]:
    """Take the numeric optics columns of a table, all finite."""
    missing = [label for label in MICROSCOPE_LABELS if needs_ctf and not table.has(label)]
    advice = "Add the columns"
    if missing:
        advice += ", or give --ctf none if the images show no CTF"
    if not table.has(PIXEL_SIZE_LABEL) and not all(map(table.has, DETECTOR_LABELS)):
        missing.append(f"{PIXEL_SIZE_LABEL} (or {' and '.join(DETECTOR_LABELS)})")
    if missing:
        raise ParticleError(
            f"{table.path}: {table.block.title} has no CTF: {', '.join(missing)} missing. "
            f"{advice}."
        )
    unused = DETECTOR_LABELS if table.has(PIXEL_SIZE_LABEL) else ()
    defaults = zip(MICROSCOPE_LABELS, astuple(NO_CTF), strict=False)
    return {label: np.full(table.n_rows, value) for label, value in defaults} | {
        label: table.finite(label)
        for label in OPTICS_LABELS
        if table.has(label) and label not in unused
    }


def _refuse_without_table(particles: StarTable) -> NoReturn:
    """Say what became of the table of optics groups that rows name."""
    document = particles.document
    if fault := document.header_fault():
        raise FormatError(f"{document.path}, {fault}")
    others = [block.title for block in document.blocks if block is not particles.block]
    found = f", only {cut(', '.join(others))}" if others else ""
    raise ParticleError(
        f"{document.path}: the rows of {particles.block.title} name optics groups "
        f"({NUMBER_LABEL}), but there is no table data_{OPTICS}{found}. Copy it from the file "
        "that this one was made from."
    )


def _make_group(
    number: int,
    name: str,
    values: Mapping[str, float],
    vectors: Sequence[tuple[float, ...]],
    where: str,
) -> OpticsGroup:
    odd_zernike, even_zernike = vectors
    voltage, spherical_aberration, amplitude_contrast = (values[k] for k in MICROSCOPE_LABELS)
    tilt_x, tilt_y = (values.get(label, 0.0) for label in TILT_LABELS)
    pixel_size = values.get(PIXEL_SIZE_LABEL, 0.0)
    try:
        if PIXEL_SIZE_LABEL not in values:
            detector, magnification = (values[label] for label in DETECTOR_LABELS)
            if magnification == 0:
                raise ValueError("rlnMagnification is 0; expected that of the detector's pixels")
            pixel_size = ANGSTROM_PER_MICROMETRE * detector / magnification
        microscope = Microscope(
            voltage_kilovolt=voltage,
            spherical_aberration_mm=spherical_aberration,
            amplitude_contrast=amplitude_contrast,
            beam_tilt_mrad=(tilt_x, tilt_y),
            odd_zernike=odd_zernike,
            even_zernike=even_zernike,
            magnification_matrix=_magnification(values),
        )
        return OpticsGroup(
            number=number,
            name=name,
            pixel_size_angstrom=pixel_size,
            box=_box(values.get(BOX_LABEL, 0.0)),
            microscope=microscope,
            ctf_premultiplied=bool(values.get(PREMULTIPLIED_LABEL, 0)),
            ctf_shown=_read_flags(values),
        )
    except ValueError as error:
        raise ParticleError(f"{where}: optics group {number}: {error}. Correct it.") from error


def _box(edge: float) -> int:
    if not edge.is_integer():
        raise ValueError(f"{BOX_LABEL} {edge:g}; expected a whole number of pixels")
    return int(edge)


def _read_flags(values: Mapping[str, float]) -> CtfShown:
    """Return what images show of the CTF.

    Raises:
        ValueError: If a flag is neither 0 nor 1, or several say different things.
    """
    for label in FLAG_LABELS:
        if values.get(label, 0) not in (0, 1):
            raise ValueError(f"{label} is {values[label]:g}, expected 0 or 1")
    said = [label for label in FLAG_LABELS if values.get(label, 0) == 1]
    if len(said) > 1:
        raise ValueError(f"{' and '.join(said)} are both 1, which contradict each other")
    return CTF_LABELS.get(said[0], "full") if said else "full"


def _magnification(values: Mapping[str, float]) -> Matrix:
    missing = [label for label in MAGNIFICATION_LABELS if label not in values]
    if len(missing) == len(MAGNIFICATION_LABELS):
        return IDENTITY
    if missing:
        raise ValueError(f"a magnification matrix without {', '.join(missing)}; expected all four")
    m00, m01, m10, m11 = (values[label] for label in MAGNIFICATION_LABELS)
    if abs(m00 * m11 - m01 * m10) < 1e-3:
        raise ValueError(f"magnification matrix {m00} {m01} {m10} {m11} cannot be inverted")
    return ((m00, m01), (m10, m11))


def _parse_vector(text: str, label: str, where: str) -> tuple[float, ...]:
    """Numbers of `[a,b,...]`; an empty text or `[]` is the empty vector."""
    inner = text.strip().removeprefix("[").removesuffix("]").strip()
    try:
        if text.strip().startswith("[") != text.strip().endswith("]"):
            raise ValueError("a vector that is cut short")
        if "_" in inner:
            raise ValueError("a number only to Python")
        vector = tuple(float(part) for part in inner.split(",")) if inner else ()
    except ValueError as error:
        raise FormatError(
            f"{where}: {label} is {show(text)}, expected numbers as in [0.1,0.2]."
        ) from error
    if not all(map(math.isfinite, vector)):
        raise ParticleError(f"{where}: {label} is {show(text)}, expected finite numbers.")
    return vector
