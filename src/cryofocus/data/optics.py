"""Optics groups: what particles of one imaging session share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.star import StarDocument
from cryofocus.data.star_scan import StarBlock
from cryofocus.errors import FormatError, ParticleError
from cryofocus.maths.ctf import IDENTITY, Microscope

Matrix = tuple[tuple[float, float], tuple[float, float]]

MICROSCOPE_LABELS = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
MAGNIFICATION_LABELS = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")
TILT_LABELS = ("rlnBeamTiltX", "rlnBeamTiltY")
ZERNIKE_LABELS = ("rlnOddZernike", "rlnEvenZernike")
# RELION 3.0 gives the detector's pixel in µm and the magnification.
DETECTOR_LABELS = ("rlnDetectorPixelSize", "rlnMagnification")
ANGSTROM_PER_MICROMETRE = 1.0e4


@dataclass(frozen=True)
class OpticsGroup:
    """One row of the optics table.

    Attributes
    ----------
    number : int
        As in the table, from 1.
    name : str
        As in the table.
    pixel_size_angstrom : float
        Å per pixel of the images on disk.
    box : int
        Edge of the images on disk in pixels; 0 if the table does not say.
    microscope : Microscope
        Voltage, aberrations, magnification.
    ctf_premultiplied : bool
        Whether images were multiplied by their CTF before they were written.
    """

    number: int
    name: str
    pixel_size_angstrom: float
    box: int
    microscope: Microscope
    ctf_premultiplied: bool

    def __post_init__(self) -> None:
        if not (self.pixel_size_angstrom > 0 and math.isfinite(self.pixel_size_angstrom)):
            raise ValueError(
                f"pixel size {self.pixel_size_angstrom} Å; expected a positive number"
            )


GroupsOfParticles = tuple[tuple[OpticsGroup, ...], Int[np.ndarray, " n"]]


def read_optics(document: StarDocument, particles: StarBlock) -> GroupsOfParticles:
    """Read the optics groups and to which each particle belongs.

    RELION 3.1 and later have a table of groups. Before, every particle carried its optics: equal
    ones become a group.

    Parameters
    ----------
    document : StarDocument
        The particle file.
    particles : StarBlock
        Its particle table.

    Returns
    -------
    groups : tuple of OpticsGroup
    optics_of_particle : int32 array (n,)
        Index into `groups`.

    Raises
    ------
    ParticleError
        If columns or groups are missing, or values make no sense.
    """
    table = next((block for block in document.blocks if block.name == "optics"), None)
    if table is None:
        return _groups_by_particle(document, particles)
    groups = _groups_of_table(document, table)
    if "rlnOpticsGroup" not in particles.labels:
        if len(groups) > 1:
            raise ParticleError(
                f"{document.path}: {len(groups)} optics groups, but the particles have no "
                "rlnOpticsGroup. Add the column."
            )
        return groups, np.zeros(particles.n_rows, np.int32)
    numbers = document.numbers(particles, ["rlnOpticsGroup"])["rlnOpticsGroup"]
    index = np.full(particles.n_rows, -1, np.int32)
    for position, group in enumerate(groups):
        index[numbers == group.number] = position
    if (index < 0).any():
        row = int(np.flatnonzero(index < 0)[0])
        known = ", ".join(str(group.number) for group in groups)
        raise ParticleError(
            f"{document.row_place(particles, row)}: rlnOpticsGroup is {numbers[row]:g}, but the "
            f"optics table holds {known}. Add the group or correct the number."
        )
    return groups, index


def _groups_of_table(document: StarDocument, table: StarBlock) -> tuple[OpticsGroup, ...]:
    where = f"{document.path}, data_optics"
    columns = _optics_columns(document, table)
    names = ["rlnOpticsGroupName", *ZERNIKE_LABELS]
    texts = document.texts(table, [label for label in names if label in table.labels])
    numbers = columns.get("rlnOpticsGroup", np.arange(1.0, table.n_rows + 1))
    if len(set(numbers.tolist())) != table.n_rows:
        raise ParticleError(f"{where}: an rlnOpticsGroup number stands twice. Correct the table.")
    groups = []
    for row in range(table.n_rows):
        values = {label: float(column[row]) for label, column in columns.items()}
        vectors = [
            _parse_vector(texts[label][row], label, where) if label in texts else ()
            for label in ZERNIKE_LABELS
        ]
        name = texts.get("rlnOpticsGroupName", [""] * table.n_rows)[row]
        groups.append(_make_group(int(numbers[row]), name, values, vectors, where))
    return tuple(groups)


def _groups_by_particle(document: StarDocument, particles: StarBlock) -> GroupsOfParticles:
    columns = _optics_columns(document, particles)
    # Older tables repeat their group number without a table of groups: equal optics are one.
    columns.pop("rlnOpticsGroup", None)
    table = np.stack(list(columns.values()), axis=1)
    unique, index = np.unique(table, axis=0, return_inverse=True)
    groups = tuple(
        _make_group(
            number,
            f"opticsGroup{number}",
            dict(zip(columns, map(float, row), strict=True)),
            [(), ()],
            str(document.path),
        )
        for number, row in enumerate(unique, start=1)
    )
    return groups, index.reshape(-1).astype(np.int32)


def _optics_columns(
    document: StarDocument, table: StarBlock
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Read the numeric optics columns of a table, all finite."""
    has = set(table.labels)
    missing = [label for label in MICROSCOPE_LABELS if label not in has]
    if "rlnImagePixelSize" not in has and not has.issuperset(DETECTOR_LABELS):
        missing.append("rlnImagePixelSize (or rlnDetectorPixelSize and rlnMagnification)")
    if missing:
        raise ParticleError(
            f"{document.path}: data_{table.name} has no {', '.join(missing)}; the CTF needs "
            "them. Add the columns."
        )
    wanted = (
        *MICROSCOPE_LABELS,
        *(DETECTOR_LABELS if "rlnImagePixelSize" not in has else ["rlnImagePixelSize"]),
        *TILT_LABELS,
        *MAGNIFICATION_LABELS,
        *("rlnOpticsGroup", "rlnImageSize", "rlnCtfDataAreCtfPremultiplied"),
    )
    columns = document.numbers(table, [label for label in wanted if label in has])
    for label, column in columns.items():
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise ParticleError(
                f"{document.row_place(table, row)}: {label} is {column[row]}, expected a finite "
                "number. Correct the table."
            )
    return columns


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
    pixel_size = values.get("rlnImagePixelSize", 0.0)
    try:
        if "rlnImagePixelSize" not in values:
            detector, magnification = (values[label] for label in DETECTOR_LABELS)
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
            box=int(values.get("rlnImageSize", 0)),
            microscope=microscope,
            ctf_premultiplied=bool(values.get("rlnCtfDataAreCtfPremultiplied", 0)),
        )
    except (ValueError, ZeroDivisionError) as error:
        raise ParticleError(f"{where}: optics group {number}: {error}. Correct it.") from error


def _magnification(values: Mapping[str, float]) -> Matrix:
    if not all(label in values for label in MAGNIFICATION_LABELS):
        return IDENTITY
    m00, m01, m10, m11 = (values[label] for label in MAGNIFICATION_LABELS)
    if abs(m00 * m11 - m01 * m10) < 1e-3:
        raise ValueError(f"magnification matrix {m00} {m01} {m10} {m11} cannot be inverted")
    return ((m00, m01), (m10, m11))


def _parse_vector(text: str, label: str, where: str) -> tuple[float, ...]:
    """Numbers of `[a,b,...]`; an empty text or `[]` is the empty vector."""
    inner = text.strip().removeprefix("[").removesuffix("]").strip()
    try:
        vector = tuple(float(part) for part in inner.split(",")) if inner else ()
    except ValueError as error:
        raise FormatError(
            f"{where}: {label} is {text!r}, expected numbers as in [0.1,0.2]."
        ) from error
    if not all(map(math.isfinite, vector)):
        raise ParticleError(f"{where}: {label} is {text!r}, expected finite numbers.")
    return vector
