"""`cryofocus align combine`: one pose a particle, that of its most probable class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.calls import checked
from cryofocus.data.formats import open_table
from cryofocus.data.labels import pose_columns
from cryofocus.data.particle_table import ParticleColumns
from cryofocus.errors import ParticleError, SettingError
from cryofocus.workflows.classify.request import note_images_of_run
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.new_names import require_format_of, require_new_table
from cryofocus.workflows.run.poses import Poses, read_poses


@dataclass(frozen=True)
class CombinedTable:
    """What was written: the table, and how many poses it has from each class."""

    path: Path
    n_of_class: tuple[int, ...]


@checked
def align_combine(
    run: Path | str,
    output: Path | str,
    *,
    tables: Sequence[Path | str] = (),
    overwrite: bool = False,
) -> CombinedTable:
    """Write the particles of a run, each with the pose it has in its most probable class.

    The poses come from the run itself, if its classes were aligned each on its own
    (`poses.npz`), or from tables, one per class, whose particles were refined against the map of
    that class. Likelihoods of different runs cannot be compared, so one run's posteriors decide.

    Args:
        run: Finished run directory.
        output: Table to write, in the format of the run's own.
        tables: Particle tables of classes 1, 2, ...; a table needs the particles of its class, by
            their images, and may hold others.
        overwrite: Replace an existing table.

    Raises:
        InputError: When run or tables cannot be used, or there is one pose a particle only.
        OutputError: When the table exists (without `overwrite`) or cannot be written.
    """
    directory, output = RunDirectory.open(Path(run)), Path(output)
    job = directory.read_job()
    table = open_table(directory.particles)
    require_new_table(output, directory.particles, overwrite=overwrite)
    require_format_of(table, output)
    columns = table.columns()
    posteriors = directory.read_posteriors(table.n_rows)
    labels = posteriors.argmax(axis=1)
    if tables:
        paths = [Path(path) for path in tables]
        poses = _poses_of_tables(paths, columns, labels, job.n_classes)
    else:
        poses = _poses_of_run(directory, labels, job.n_classes)
    table.write(output, pose_columns(*poses), None)
    note_images_of_run(Path(run), output)
    counts = np.bincount(labels[posteriors.any(axis=1)], minlength=job.n_classes)
    return CombinedTable(output, tuple(counts.tolist()))


def _poses_of_run(directory: RunDirectory, labels: Int[np.ndarray, " n"], n_classes: int) -> Poses:
    """Pick each particle's pose out of those that the run kept for every class."""
    poses = read_poses(directory, labels, n_classes)
    if poses is None:
        raise SettingError(
            f"{directory.path}: its particles have one pose each, the same in all classes, so "
            "there is nothing to combine. Give --poses a table for each class, refined against "
            "the map of that class."
        )
    return poses


def _poses_of_tables(
    paths: Sequence[Path], columns: ParticleColumns, labels: Int[np.ndarray, " n"], n_classes: int
) -> Poses:
    """Take each particle's pose from the table of its class."""
    if len(paths) != n_classes:
        raise SettingError(
            f"poses: found {len(paths)} tables, but the run has {n_classes} classes; expected one "
            "a class, in their order. Give --poses as many tables as there are classes."
        )
    rotation, shift = columns.rotation.copy(), columns.shift_angstrom.copy()
    names = _image_names(columns)
    for number, path in enumerate(paths):
        theirs = open_table(path).columns()
        row_of_image = {name: row for row, name in enumerate(_image_names(theirs))}
        members = np.flatnonzero(labels == number)
        absent = [i for i in members if names[i] not in row_of_image]
        if absent:
            raise ParticleError(
                f"{path}: lacks {len(absent)} of the {len(members)} particles of class "
                f"{number + 1}, such as {columns.places.name(int(absent[0]))}; expected all of "
                "them, by their images. Give the tables in the order of the classes."
            )
        rows = [row_of_image[names[i]] for i in members]
        rotation[members], shift[members] = theirs.rotation[rows], theirs.shift_angstrom[rows]
    return rotation, shift


def _image_names(columns: ParticleColumns) -> list[tuple[str, int, int]]:
    """Name every row by stack, slice and, for copies of one image, symmetry operator."""
    places, n = columns.places, len(columns.rotation)
    operator = np.zeros(n, int)
    if columns.expansion is not None:
        operator = columns.expansion.operator_of_particle
    return [
        (Path(places.stacks[stack]).name, int(index), int(copy))
        for stack, index, copy in zip(
            places.stack_of_particle, places.slice_of_particle, operator, strict=True
        )
    ]
