"""The table of a subtracted set, and the way back from it to the intact particles.

`rlnImageName` is the subtracted image. `rlnImageOriginalName` and `cryofocusIntactImageName` are
the image it was made from; a set that is subtracted again keeps both, so that they lead to the
intact particle however often it was subtracted. Where images were cut around a mask, the pose
and defocus of the intact particle stand beside the new ones in columns `cryofocusIntact...`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8

from cryofocus.consensus.subparticles import SubParticles
from cryofocus.data.formats import open_table
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.columns import (
    ANGLE_LABELS,
    DEFOCUS_LABELS,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    SHIFT_LABELS,
    SHIFT_PIXEL_LABELS,
    find_particles,
    shift_labels,
)
from cryofocus.data.relion.table import RelionTable
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError
from cryofocus.workflows.run.new_names import require_new_table

ORIGINAL_LABEL = "rlnImageOriginalName"
SCALE_LABEL = "cryofocusSubtractionScale"
INTACT_PREFIX, RELION_PREFIX = "cryofocusIntact", "rln"
# Priors on the origin would draw a sub-particle back to where the whole particle was.
PRIOR_LABELS = ("rlnOriginXPriorAngst", "rlnOriginYPriorAngst")
SIZE_LABEL, PIXEL_LABEL = "rlnImageSize", "rlnImagePixelSize"

Columns = dict[str, Sequence[Any] | np.ndarray]


@dataclass(frozen=True, eq=False)
class SubtractedRows:
    """What is new in the table.

    Attributes:
        names: Image of each particle, as `rlnImageName` says it.
        half_set: `(particle,)` 1 or 2.
        scale: `(particle,)` intensity with which the density was subtracted.
        box: Edge of the new images in pixels.
        cut: How poses and defocus change; None where images stay whole.
    """

    names: Sequence[str]
    half_set: Int8[np.ndarray, " particle"]
    scale: Float32[np.ndarray, " particle"]
    box: int
    cut: SubParticles | None


def open_relion_table(path: Path) -> RelionTable:
    """Open a table that can say where subtracted images lie.

    Raises:
        InputError: When it cannot be read.
        ParticleError: When it is no RELION table.
    """
    table = open_table(path)
    if not isinstance(table, RelionTable):
        raise ParticleError(
            f"{path}: not a RELION STAR file; subtracted particles are written as one. Convert "
            f"the table first: cryofocus convert {path} -o particles.star."
        )
    return table


def require_editable(particles: ParticleSet) -> RelionTable:
    """Return the table of particles if it can be told of a new pixel size.

    Raises:
        ParticleError: When it cannot.
    """
    table = particles.table
    if not isinstance(table, RelionTable):
        raise ValueError("expected particles of a RELION table, as `open_relion_table` gives them")
    used = [particles.optics[g] for g in np.unique(particles.optics_of_particle)]
    is_uniform = all(group.pixel_size_angstrom == particles.pixel_size_angstrom for group in used)
    optics = _optics_block(table.document)
    if not is_uniform and (optics is None or PIXEL_LABEL not in optics.labels):
        raise ParticleError(
            f"{table.path}: images of several pixel sizes, but no optics table to say the common "
            "one of subtracted images. Convert the table to RELION 3.1 or later, or subtract from "
            "one pixel size at a time."
        )
    return table


def write_subtracted_table(path: Path, particles: ParticleSet, rows: SubtractedRows) -> None:
    """Write the particles' own rows with their new images.

    Args:
        path: STAR file to write.
        particles: As they were read.
        rows: What is new.

    Raises:
        ParticleError: As `require_editable`.
        OutputError: Disk full, no permission.
    """
    table = require_editable(particles)
    document, labels = table.document, table.block.labels
    columns: Columns = {IMAGE_LABEL: rows.names, SCALE_LABEL: rows.scale}
    if HALF_SET_LABEL not in labels:
        columns[HALF_SET_LABEL] = rows.half_set
    moved = _moved_columns(particles, labels, rows.cut) if rows.cut is not None else {}
    kept = [IMAGE_LABEL]
    if moved:
        kept += [*(label for label in ANGLE_LABELS if label in labels), *moved]
    before = document.texts(table.block, [label for label in kept if label in labels])
    zeros = ["0"] * len(particles)
    for label in kept:
        # What an earlier subtraction put there leads further back.
        if _intact_label(label) not in labels:
            columns[_intact_label(label)] = before.get(label, zeros)
    if ORIGINAL_LABEL not in labels:
        columns[ORIGINAL_LABEL] = before[IMAGE_LABEL]
    optics = _optics_columns(document, particles, rows.box)
    _write_both(document, path, (columns | moved, ()), (optics, ()))


def revert(particles: Path | str, output: Path | str, *, overwrite: bool = False) -> int:
    """Write the table of a subtracted set with its intact particles in place of its images.

    Everything found since, such as classes and posteriors, stays. Images, and with images that
    were cut also poses, defocus and box, are those of the particles first given to `subtract`;
    poses found for cut images describe the sub-particle and are left behind.

    Args:
        particles: Table written by `subtract`, or made from it by classification or selection.
        output: STAR file to write.
        overwrite: Replace an existing file.

    Returns:
        Number of particles.

    Raises:
        ParticleError: When the table does not say where its images come from.
        OutputError: When the output exists, or cannot be written.
    """
    output = Path(output)
    require_new_table(output, Path(particles), overwrite=overwrite)
    table = open_relion_table(Path(particles))
    document, block = table.document, table.block
    if _intact_label(IMAGE_LABEL) not in block.labels:
        raise ParticleError(
            f"{document.path}: no column {_intact_label(IMAGE_LABEL)}, so nothing says which "
            "intact particles these images were made from. Give a table that 'cryofocus subtract' "
            "wrote, or one made from it."
        )
    optics = _optics_block(document)
    edit = _intact_columns(document, block, (SCALE_LABEL,))
    _write_both(document, output, edit, _intact_columns(document, optics) if optics else ({}, ()))
    return block.n_rows


def has_cut_images(labels: Sequence[str]) -> bool:
    """Whether a table with these columns holds images that `subtract` cut around a mask."""
    return any(_intact_label(label) in labels for label in (*SHIFT_LABELS, *SHIFT_PIXEL_LABELS))


def _intact_label(label: str) -> str:
    return INTACT_PREFIX + label.removeprefix(RELION_PREFIX)


def _intact_columns(
    document: StarDocument, block: StarBlock, dropped: Sequence[str] = ()
) -> tuple[Columns, Sequence[str]]:
    """Return the columns to put back, and those to leave out then."""
    intact = [label for label in block.labels if label.startswith(INTACT_PREFIX)]
    texts = document.texts(block, intact)
    back: Columns = {
        RELION_PREFIX + label.removeprefix(INTACT_PREFIX): texts[label] for label in intact
    }
    return back, [*intact, *(label for label in dropped if label in block.labels)]


def _moved_columns(
    particles: ParticleSet, labels: Sequence[str], cut: SubParticles
) -> dict[str, np.ndarray]:
    """Return shifts and defocus of sub-particles, in the table's own columns."""
    own = shift_labels(labels)
    unit = 1.0 if own == list(SHIFT_LABELS) else particles.pixel_size_angstrom
    moved = dict(zip(own, (cut.shift_angstrom / unit).T, strict=True))
    for axis, label in enumerate(PRIOR_LABELS):
        if label in labels:
            moved[label] = cut.shift_angstrom[:, axis]
    before = (particles.ctf.defocus_u_angstrom, particles.ctf.defocus_v_angstrom)
    for label, defocus in zip(DEFOCUS_LABELS, before, strict=False):
        moved[label] = defocus + cut.defocus_change_angstrom
    return moved


def _optics_block(document: StarDocument) -> StarBlock | None:
    return next((block for block in document.blocks if block.name == "optics"), None)


def _optics_columns(document: StarDocument, particles: ParticleSet, box: int) -> Columns:
    """Return box and pixel size of every optics group, where they are not as they were."""
    block = _optics_block(document)
    if block is None or not block.is_loop:
        return {}
    wanted = {SIZE_LABEL: float(box), PIXEL_LABEL: particles.pixel_size_angstrom}
    columns: Columns = {}
    for label, value in wanted.items():
        if label not in block.labels:
            continue
        before = document.numbers(block, [label])[label]
        if (before != value).any():
            columns[label] = [int(value) if label == SIZE_LABEL else value] * block.n_rows
            if _intact_label(label) not in block.labels:
                columns[_intact_label(label)] = document.texts(block, [label])[label]
    return columns


def _write_both(
    document: StarDocument,
    path: Path,
    particles: tuple[Mapping[str, Any], Sequence[str]],
    optics: tuple[Mapping[str, Any], Sequence[str]],
) -> None:
    """Write a document with columns replaced and left out in both of its tables."""
    block = _optics_block(document)
    with tempfile.TemporaryDirectory() as folder:
        if block is not None and any(optics):
            halfway = Path(folder) / "optics.star"
            document.write(halfway, block, optics[0], drop=optics[1])
            document = StarDocument.read(halfway)
        document.write(path, find_particles(document), particles[0], drop=particles[1])
