"""New cisTEM and Frealign tables from particles of any format; for the columns see `cistem`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from cryofocus.data.atomic import atomic_file
from cryofocus.data.cistem.binary import new_column, write_binary
from cryofocus.data.cistem.columns import (
    MICROGRAPH,
    OCCUPANCY,
    STACK,
    class_files,
    count_rows,
    describe_losses,
)
from cryofocus.data.cistem.frealign import COLUMNS, format_column
from cryofocus.data.cistem.text import PREFIX
from cryofocus.data.particle_table import Classes, Names, ParticleColumns
from cryofocus.data.star.document import write_star
from cryofocus.errors import ParticleError

FREALIGN_MAGNIFICATION = 10_000
"""With it, Frealign's DSTEP is the pixel size in Å."""
FREALIGN_HEADER = "C" + " ".join(
    f"{title:>{width}}"
    for title, width in (
        *(("", 6), ("PSI", 7), ("THETA", 7), ("PHI", 7), ("SHX", 9), ("SHY", 9), ("MAG", 7)),
        *(("FILM", 5), ("DF1", 8), ("DF2", 8), ("ANGAST", 7), ("PSHIFT", 7), ("OCC", 7)),
        *(("LogP", 9), ("SIGMA", 10), ("SCORE", 7), ("CHANGE", 7)),
    )
)


def write_cistem_star(path: Path, columns: ParticleColumns, classes: Classes | None) -> list[str]:
    """Write particles as cisTEM's text table; with posteriors, also one file per class.

    Returns:
        What the format cannot hold.

    Raises:
        OutputError: Disk full, no permission.
    """
    numbers, texts = count_rows(columns), _text_columns(columns)
    # In radians, six decimals would be too few.
    texts["PhaseShift"] = [f"{phase:.10g}" for phase in numbers["PhaseShift"].tolist()]
    for own_path, occupancy in _files(path, classes, numbers[OCCUPANCY]):
        table: dict[str, Shaped[np.ndarray, " n"] | list[str]] = {
            PREFIX + label: values for label, values in (numbers | {OCCUPANCY: occupancy}).items()
        }
        write_star(own_path, {"": table | {PREFIX + k: v for k, v in texts.items()}})
    return _losses(columns, classes)


def write_cistem_binary(
    path: Path, columns: ParticleColumns, classes: Classes | None
) -> list[str]:
    """Write particles as cisTEM's binary table; otherwise as `write_cistem_star`."""
    numbers, texts = count_rows(columns), _text_columns(columns)
    n_rows = len(columns.rotation)
    for own_path, occupancy in _files(path, classes, numbers[OCCUPANCY]):
        contents = [new_column(k, v) for k, v in (numbers | {OCCUPANCY: occupancy}).items()]
        contents += [
            new_column(k, [text.encode("utf-8", "surrogateescape") for text in v])
            for k, v in texts.items()
        ]
        write_binary(own_path, contents, n_rows)
    return _losses(columns, classes)


def write_frealign(path: Path, columns: ParticleColumns, classes: Classes | None) -> list[str]:
    """Write particles as a .par file of 17 columns; with posteriors, also one file per class.

    Raises:
        ParticleError: If the images are in several stacks.
        OutputError: Disk full, no permission.
    """
    if len(columns.places.stacks) > 1:
        raise ParticleError(
            f"{path}: a .par file counts the images of one stack, but these are in "
            f"{len(columns.places.stacks)}. Write them into one with --write-stack."
        )
    said = count_rows(columns)
    n_rows = len(columns.rotation)
    micrographs = columns.micrographs or Names(("",), np.zeros(n_rows, np.int32))
    said["Magnification"] = np.full(n_rows, FREALIGN_MAGNIFICATION)
    said["Film"] = micrographs.of_particle + 1
    said["ScoreChange"] = np.zeros(n_rows)
    for own_path, occupancy in _files(path, classes, said[OCCUPANCY]):
        cells = [format_column(label, (said | {OCCUPANCY: occupancy})[label]) for label in COLUMNS]
        rows = [" ".join(row) for row in zip(*cells, strict=True)]
        with atomic_file(own_path) as handle:
            handle.write("\n".join([FREALIGN_HEADER, *rows, ""]).encode("utf-8"))
    optics = columns.optics[0]
    microscope = optics.microscope
    lost = [
        "angles and shifts finer than 0.01 degrees or Å, defoci finer than 0.1 Å",
        f"the name of the stack ({columns.places.stacks[0]}), the pixel size "
        f"({optics.pixel_size_angstrom:g} Å) and the microscope (--microscope "
        f"{microscope.voltage_kilovolt:g},{microscope.spherical_aberration_mm:g},"
        f"{microscope.amplitude_contrast:g})",
    ]
    if len(columns.optics) > 1:
        lost.append(f"the differences between {len(columns.optics)} optics groups")
    if columns.half_set.any():
        lost.append("half sets")
    return [*lost, *_losses(columns, classes)]


def _files(
    path: Path, classes: Classes | None, occupancy: Float[np.ndarray, " n"]
) -> Sequence[tuple[Path, Float[np.ndarray, " n"]]]:
    """Name every file to write and give the occupancies in it, the one of all classes first."""
    if classes is None or classes.posterior is None:
        return [(path, occupancy)]
    best = occupancy * classes.posterior.max(axis=1)
    shared = class_files(path, classes.posterior)
    return [(path, best), *((name, share * occupancy / 100.0) for name, share in shared)]


def _text_columns(columns: ParticleColumns) -> dict[str, list[str]]:
    places = columns.places
    texts = {STACK: [places.stacks[i] for i in places.stack_of_particle.tolist()]}
    if columns.micrographs is not None:
        texts[MICROGRAPH] = columns.micrographs.column()
    return texts


def _losses(columns: ParticleColumns, classes: Classes | None) -> list[str]:
    lost = describe_losses(columns)
    if classes is not None and classes.posterior is None:
        lost.append("class numbers: without the probability of each class there is one table")
    if columns.protein_sign > 0:
        lost.append(
            "the contrast: protein is bright in the images, by what the source says or the habit "
            "of its program, and cisTEM and Frealign expect it dark. Choose to invert it there"
        )
    if len(columns.places.stacks) > 1:
        lost.append(
            "images in several stacks: their programs take one (write it with --write-stack); the "
            "column StackFilename names them"
        )
    return lost
