"""What a RELION table says that makes it none of single particles, or contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.foreign.column_uses import (
    COLUMN_USES,
    RELION,
    note_ignored,
    says_something,
    uses_of,
)
from cryofocus.data.foreign.misspelt import find_misspelt
from cryofocus.data.labels import PIXEL_SIZE_LABEL, SHIFT_LABELS
from cryofocus.data.relion.optics import (
    ANGSTROM_PER_MICROMETRE,
    DETECTOR_LABELS,
    NUMBER_LABEL,
    OPTICS_LABELS,
    find_optics,
    read_optics,
)
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError

# Numbers that were rounded to six digits are the same; pixel sizes differ by calibration.
SAME, SAME_PIXEL_SIZE, SAME_SHIFT_PIXELS = 1e-4, 1e-2, 0.02
# Of RELION's maps and models; tables of particles by other programs have it, too.
OTHER_PIXEL_SIZE_LABEL = "rlnPixelSize"
SINGLE_PARTICLES = (
    "cryofocus takes images of single particles, one per particle. Give a table of such images"
)


def refuse_other_models(document: StarDocument) -> None:
    """Refuse tables whose images are not one projection of each particle.

    Raises:
        ParticleError: Naming the column that says so.
    """
    for use in uses_of(RELION, "refused"):
        for block in document.blocks:
            for label in set(use.columns) & set(block.labels):
                if _says(document.texts(block, [label])[label], use.neutral):
                    raise ParticleError(
                        f"{document.path}: {block.title} has {label} ({use.how}). "
                        f"{SINGLE_PARTICLES}."
                    )


def refuse_contradictions(document: StarDocument, particles: StarBlock) -> None:
    """Refuse a table that says one thing in two ways.

    Raises:
        ParticleError: Naming both places.
    """
    optics = find_optics(document)
    if optics is not None:
        _compare_optics(document, optics, particles)
    _require_both_shifts(document, particles)
    _compare_shifts(document, particles)
    _compare_pixel_sizes(document, particles)


def note_unused(document: StarDocument, particles: StarBlock) -> tuple[str, ...]:
    """Name the columns that say something and count for nothing."""
    names = [name for use in uses_of(RELION, "ignored") for name in use.columns]
    blocks = filter(None, (find_optics(document), particles))
    telling = {name for block in blocks for name in document.varying(block, names)}
    return (*note_ignored(RELION, telling), *_note_misspelt(document))


def _note_misspelt(document: StarDocument) -> tuple[str, ...]:
    """Name columns that are nearly those of others, and count for nothing."""
    known = {name for use in uses_of(RELION, "obeyed") for name in use.columns}
    listed = {name for use in COLUMN_USES for name in use.columns}
    there = {label for block in document.blocks for label in block.labels}
    pairs = [(name, find_misspelt(name, there - listed)) for name in sorted(known - there)]
    in_lower_case = {label.lower(): label for label in there - listed}
    pairs += [(name, in_lower_case.get(name.lower())) for name in sorted(known & there)]
    return tuple(
        f"column {found} is not known and counts for nothing; if {name} is meant, correct its name"
        for name, found in pairs
        if found is not None
    )


def _says(texts: list[str], neutral: float | str | None) -> bool:
    """Whether a column says anything but what holds for single particles."""
    if not isinstance(neutral, int | float):
        return bool(texts)
    try:
        values = np.array(texts, np.float64)
    except ValueError:
        return True
    return says_something(values, neutral)


def _compare_optics(document: StarDocument, optics: StarBlock, particles: StarBlock) -> None:
    """Compare optics that stand in the rows too with those of their groups."""
    own = [label for label in OPTICS_LABELS if label in particles.labels]
    table = document.read_table(optics, numeric=OPTICS_LABELS).numbers
    if optics.n_rows == 0:
        return  # refused elsewhere, as is a group that is not in the table
    sides = [_Optics(document, optics, np.arange(optics.n_rows), table)]
    if set(own) - {NUMBER_LABEL}:
        rows = document.read_table(particles, numeric=own).numbers
        numbers = table.get(NUMBER_LABEL, np.arange(1.0, optics.n_rows + 1))
        wanted = rows.get(NUMBER_LABEL, np.full(particles.n_rows, numbers[0]))
        is_group = wanted[:, None] == numbers
        index = np.where(is_group.any(axis=1), is_group.argmax(axis=1), -1)
        sides.append(_Optics(document, particles, index, rows))
    for side in sides:
        for label, values in side.numbers.items():
            if label == NUMBER_LABEL or label in DETECTOR_LABELS:
                continue
            if label not in table:
                _refuse_only_in_rows(document, particles, label, values)
                continue
            side.compare((label, values, SAME), (sides[0], label))
        if PIXEL_SIZE_LABEL in table and all(label in side.numbers for label in DETECTOR_LABELS):
            detector, magnification = (side.numbers[label] for label in DETECTOR_LABELS)
            with np.errstate(all="ignore"):
                size = ANGSTROM_PER_MICROMETRE * detector / magnification
            name = f"{DETECTOR_LABELS[0]} over {DETECTOR_LABELS[1]}, a pixel size in Å,"
            side.compare((name, size, SAME_PIXEL_SIZE), (sides[0], PIXEL_SIZE_LABEL))


@dataclass(frozen=True, eq=False)
class _Optics:
    """What one of the two tables says of optics, and to which group each of its rows belongs."""

    document: StarDocument
    block: StarBlock
    group: Int[np.ndarray, " row"]
    numbers: Mapping[str, Float[np.ndarray, " row"]]

    def compare(
        self, said: tuple[str, Float[np.ndarray, " row"], float], other: tuple[_Optics, str]
    ) -> None:
        """Refuse the first row that says something else than the optics table."""
        (name, values, tolerance), (optics, label) = said, other
        expected = optics.numbers[label][self.group]
        with np.errstate(all="ignore"):  # refused elsewhere, if not finite
            wrong = np.abs(values - expected) > tolerance * np.abs(expected)
        wrong &= self.group >= 0
        if wrong.any():
            row = int(np.argmax(wrong))
            place = self.document.row_place(optics.block, int(self.group[row]))
            raise ParticleError(
                f"{self.document.row_place(self.block, row)}: {name} is {values[row]:g}, but "
                f"{place} says {label} {expected[row]:g}; expected one. Remove or correct the "
                "wrong one."
            )


def _refuse_only_in_rows(
    document: StarDocument, particles: StarBlock, label: str, values: np.ndarray
) -> None:
    """Refuse optics that only the rows have: RELION takes them from the optics table alone."""
    row = int(np.argmax(values != 0))
    if values[row] != 0:
        raise ParticleError(
            f"{document.row_place(particles, row)}: {label} is {values[row]:g}, but the optics "
            "table, from which RELION takes it, has no such column. Add it there, or remove it."
        )


def _require_both_shifts(document: StarDocument, particles: StarBlock) -> None:
    """Refuse a shift along one axis alone, in whichever unit."""
    found = [
        [own for own in (label, label.removesuffix("Angst")) if own in particles.labels]
        for label in SHIFT_LABELS
    ]
    for here, other, label in zip(found, reversed(found), reversed(SHIFT_LABELS), strict=True):
        if here and not other:
            missing = label if here[0].endswith("Angst") else label.removesuffix("Angst")
            raise ParticleError(
                f"{document.path}: {particles.title} has {here[0]}, but no {missing}; expected "
                "shifts along both axes. Add the column, or correct its name."
            )


def _pixel_sizes(document: StarDocument, particles: StarBlock) -> Float[np.ndarray, " row"]:
    table = document.read_table(particles, numeric=OPTICS_LABELS)
    groups, group = read_optics(table, needs_ctf=False)
    return np.array([one.pixel_size_angstrom for one in groups])[group]


def _compare_pixel_sizes(document: StarDocument, particles: StarBlock) -> None:
    """Compare the pixel size in use with one under a name that only other tables have."""
    if OTHER_PIXEL_SIZE_LABEL not in particles.labels:
        return
    used = _pixel_sizes(document, particles)
    said = document.numbers(particles, [OTHER_PIXEL_SIZE_LABEL])[OTHER_PIXEL_SIZE_LABEL]
    apart = np.abs(said - used) > SAME_PIXEL_SIZE * used
    if apart.any():
        row = int(np.argmax(apart))
        raise ParticleError(
            f"{document.row_place(particles, row)}: {OTHER_PIXEL_SIZE_LABEL} is {said[row]:g}, "
            f"but the pixel size by the other columns is {used[row]:g} Å; expected one. Remove or "
            "correct the wrong one."
        )


def _compare_shifts(document: StarDocument, particles: StarBlock) -> None:
    """Compare origins in Å with those in pixels."""
    pairs = [
        (angstrom, angstrom.removesuffix("Angst"))
        for angstrom in SHIFT_LABELS
        if {angstrom, angstrom.removesuffix("Angst")} <= set(particles.labels)
    ]
    if not pairs:
        return
    unit = _pixel_sizes(document, particles)
    for angstrom, pixels in pairs:
        values = document.numbers(particles, [angstrom, pixels])
        first, second = values[angstrom], values[pixels]
        with np.errstate(all="ignore"):  # refused elsewhere, if not finite
            apart = np.abs(first - unit * second) > SAME_SHIFT_PIXELS * unit
        if apart.any():
            row = int(np.argmax(apart))
            raise ParticleError(
                f"{document.row_place(particles, row)}: {angstrom} is {first[row]:g} and {pixels} "
                f"is {second[row]:g} at {unit[row]:g} Å per pixel, which contradict each other; "
                "expected one of these columns. Remove the wrong one."
            )
