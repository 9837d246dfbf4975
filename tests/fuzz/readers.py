"""How each kind of file is read: all that commands ask of it, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryofocus.data.formats import FORMATS, open_table
from cryofocus.data.grid_map import GridMap
from cryofocus.data.images import ImageReader
from cryofocus.data.labels import CLASS_LABEL, POSTERIOR_LABEL, pose_columns
from cryofocus.data.mask import FocusMask
from cryofocus.data.operator_file import read_operators
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.rows import read_truth
from cryofocus.data.shapes.markers import read_markers
from cryofocus.data.shapes.models import AtomicModel, DensityGrid, model_bounds, model_density
from cryofocus.errors import CryofocusError
from cryofocus.maths.ctf import Microscope
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.classify.tables import CycleRow
from cryofocus.workflows.fsc_table import read_fsc
from cryofocus.workflows.machine.slurm_jobs import read_slurm_settings
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.reading import read_numbers
from cryofocus.workflows.state_groups import StateGroups
from fuzz.corpus import BOX

PIXEL_SIZE = 2.0
MESSAGE = 20_000
"""Characters that a message may have, whatever the file."""


def attempt(step: Callable[[], Any]) -> Any:
    """Do a step; a refusal meant for the user is an answer too, if it can be read."""
    try:
        return step()
    except CryofocusError as error:
        message = str(error)
        assert len(message) < MESSAGE, f"a message of {len(message)} characters"
        return None


def read_table(path: Path) -> None:
    """Read a particle table, write rows of it, and the particles in every format."""
    table = attempt(lambda: open_table(path, _supplement(path)))
    if table is None:
        return
    attempt(table.first_stack)
    attempt(table.classified)
    attempt(table.unread)
    if table.copies is not None:
        attempt(table.copies.read)
    classes = attempt(table.classes)
    output = path.with_name("out")
    if table.n_rows:
        added = {CLASS_LABEL: np.array([1]), POSTERIOR_LABEL: np.array([[1.0, 0.0]])}
        attempt(lambda: table.write(output, added, np.array([0])))
    columns = attempt(table.columns)
    if columns is None:
        return
    poses = pose_columns(columns.rotation, columns.shift_angstrom)
    attempt(lambda: table.write(output, poses, None))
    particles = attempt(lambda: ParticleSet.from_table(table))
    if particles is not None:
        require_finite(particles)
        attempt(particles.derive_operators)
        attempt(lambda: ImageReader(particles).read(np.arange(len(particles))))
        columns = replace(columns, optics=particles.optics)
    for other in FORMATS:
        attempt(partial(other.write, output, columns, classes))


def require_finite(particles: ParticleSet) -> None:
    """Whatever a table says, no number that is none reaches the particles."""
    ctf = particles.ctf
    for values in (particles.rotation, particles.shift_angstrom, *vars(ctf).values()):
        assert np.isfinite(values).all(), "particles with numbers that are not finite"


def _supplement(path: Path) -> Supplement | None:
    stack = path.with_name("s.mrcs")
    if path.suffix == ".cistem":
        return Supplement(stack)
    if path.suffix == ".par":
        return Supplement(stack, Microscope(300, 2.7, 0.1))
    return None


def read_joined(path: Path) -> None:
    """Join a passthrough file with a particle file."""
    joined = attempt(lambda: open_table(path.with_name("x.cs"), Supplement(passthrough=(path,))))
    if joined is not None:
        attempt(joined.columns)
        attempt(joined.unread)
        attempt(lambda: joined.write(path.with_name("out"), {}, np.array([0])))


def read_model(path: Path) -> None:
    """Read an atomic model, choose atoms, and make a density of it."""
    model = attempt(lambda: AtomicModel.read(path))
    if model is not None:
        assert np.isfinite(model.position_angstrom).all(), "atoms that are nowhere"
        attempt(lambda: model.select(["A"], [(1, 2)]))
    attempt(lambda: model_bounds(path))
    grid = DensityGrid(BOX, PIXEL_SIZE, (2.0, 4.0, 4.0))
    density = attempt(lambda: model_density(path, grid))
    assert density is None or np.isfinite(density).all(), "a density that is not finite"


def read_map(path: Path) -> None:
    """Read a map."""
    grid = attempt(lambda: GridMap.read(path))
    if grid is not None:
        attempt(lambda: grid.write(path.with_name("out"), grid.data))


def read_mask(path: Path) -> None:
    """Read a mask on the particles' grid."""
    attempt(lambda: FocusMask.from_file(path, BOX, PIXEL_SIZE))


def read_stack(path: Path) -> None:
    """Read the images of a table whose stack this is."""
    particles = attempt(lambda: ParticleSet.read(path.with_name("x.star")))
    if particles is not None:
        attempt(lambda: ImageReader(particles).read(np.arange(len(particles))))


def read_star(path: Path) -> None:
    """Read a STAR file as particles, and as the truth of a simulated set."""
    read_table(path)
    attempt(lambda: read_truth(path))


def read_job(path: Path) -> None:
    """Read the record of a run directory."""
    attempt(RunDirectory.open(path.parent).read_job)


def read_request(path: Path) -> None:
    """Read a configuration, as --config does, and write it as a run does."""
    request = attempt(lambda: read_config(path))
    if request is not None:
        request.to_yaml()


READERS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("relion3", "relion31", "relion5"), read_star),
    **dict.fromkeys(
        ("cistem-star", "cistem", "par17", "par16", "cs", "stream", "packed"), read_table
    ),
    **dict.fromkeys(("pdb", "mmcif", "pdb-gz"), read_model),
    **dict.fromkeys(("stack", "stack8"), read_stack),
    "passthrough": read_joined,
    "markers": lambda path: attempt(lambda: read_markers(path)),
    "config": read_request,
    "slurm": lambda path: attempt(lambda: read_slurm_settings(path)),
    "operators": lambda path: attempt(lambda: read_operators(path)),
    "map": read_map,
    "mask": read_mask,
    "job": read_job,
    "posteriors": lambda path: attempt(lambda: read_numbers(path, (2, 2))),
    "cycles": lambda path: attempt(lambda: CycleRow.read(path)),
    "curves": lambda path: attempt(lambda: read_fsc(path, ["class001"])),
    "groups": lambda path: attempt(lambda: StateGroups.read(path)),
}
