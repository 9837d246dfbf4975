"""`cryofocus convert`: a particle table in the format of another program."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float32

from cryofocus.data.formats import choose_format, open_table
from cryofocus.data.images import ImageReader
from cryofocus.data.mrc import read_header, write_stack
from cryofocus.data.particle_format import Format
from cryofocus.data.particle_table import ParticleColumns
from cryofocus.data.particles import ParticleSet
from cryofocus.data.stack_check import fill_boxes
from cryofocus.data.stack_paths import ImagePlaces, locate_stacks, note_image_folder
from cryofocus.data.table_source import TableSource
from cryofocus.errors import OutputError, ParticleError, SettingError
from cryofocus.option import Option
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.new_names import require_new_maps, require_new_table
from cryofocus.workflows.run.stack_watch import StackWatch

logger = logging.getLogger(__name__)

IMAGES_AT_ONCE = 256
COLUMNS_LISTED = 6


class ConvertSettings(TableSource):
    """What to convert into, and what the file leaves to the user to say.

    Attributes:
        to: Format: relion, cryosparc, cistem, cistem-star or frealign, if the name of the output
            does not tell.
        write_stack: Also write the images, in row order, to this single stack; cisTEM and
            Frealign need it.
    """

    to: Annotated[str | None, Option(metavar="FORMAT")] = None
    write_stack: Annotated[Path | None, Option(metavar="STACK")] = None


@dataclass(frozen=True)
class Conversion:
    """What was written, and what the new format cannot hold, in words."""

    path: Path
    title: str
    n_particles: int
    lost: tuple[str, ...]


@shown
def convert(
    source: Path | str,
    output: Path | str,
    settings: ConvertSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Conversion:
    """Write particles in the format of another program.

    Images stay where they are, unless `write_stack` is given, and need not be there, unless the
    new format needs to know their box.

    Args:
        source: Particle table of any format.
        output: Table to write.
        settings: Formats and what the source leaves out.
        overwrite: Replace files that exist.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When the source cannot be used or the format cannot hold what matters.
        OutputError: When the output exists or cannot be written.
    """
    settings = settings or ConvertSettings()
    source, output = Path(source), Path(output)
    target = choose_format(output, settings.to)
    require_new_table(output, source, overwrite=overwrite)
    table = open_table(source, settings.supplement)
    classes = table.classes()
    for path in target.files(output, classes):
        require_new_table(path, source, overwrite=overwrite)
    columns = table.columns().with_ctf_shown(settings.ctf_shown)
    for note in columns.notes:
        logger.info("%s: %s", source, note)
    columns = _with_boxes(columns, source, settings.datadir)
    if settings.write_stack is not None:
        _require_stack_name(settings.write_stack, target)
        _require_new_stack(settings.write_stack, source, overwrite=overwrite)
        particles = ParticleSet.read(
            source, datadir=settings.datadir, supplement=settings.supplement
        )
        stacks = StackWatch.begin(particles)
        assert progress is not None  # shown gives one
        _gather(particles, settings.write_stack, progress)
        stacks.warn()
        columns = _point_to(settings.write_stack, columns, particles)
    lost = target.write(output, columns, classes)
    if settings.write_stack is None:
        note_image_folder(output, table, source, settings.datadir)
    elif len({group.pixel_size_angstrom for group in table.columns().optics}) > 1:
        lost.append(
            "the pixel sizes of the images: all were brought to that of most, at which images of "
            "larger pixels hold no fine detail. Leave --write-stack out to keep them"
        )
    unread = table.unread()
    if unread:
        listed = ", ".join(unread[:COLUMNS_LISTED])
        more = f" and {len(unread) - COLUMNS_LISTED} more" if len(unread) > COLUMNS_LISTED else ""
        lost.append(f"columns that cryofocus does not use: {listed}{more}")
    return Conversion(output, target.title, table.n_rows, tuple(lost))


def _with_boxes(columns: ParticleColumns, source: Path, datadir: Path | None) -> ParticleColumns:
    """Take boxes that the table does not give from the images, if they are there."""
    if all(group.box for group in columns.optics):
        return columns
    try:
        paths = locate_stacks(columns.places.stacks, source, datadir)
    except ParticleError as error:
        logger.info("the box of the images stays unknown: %s", str(error).splitlines()[0])
        return columns
    return fill_boxes(columns, lambda stack: read_header(paths[stack]))


def _require_stack_name(path: Path, target: Format) -> None:
    suffix = target.stack_suffix
    if suffix is not None and path.suffix != suffix:
        raise SettingError(
            f"write_stack: found {path.name}, but in a {target.title} table the names of stacks "
            f"have to end in {suffix}. Give --write-stack {path.with_suffix(suffix).name}."
        )


def _require_new_stack(path: Path, source: Path, *, overwrite: bool) -> None:
    if path.suffix != ".mrcs":
        require_new_maps([path], overwrite=overwrite)
    else:
        require_new_table(path, source, overwrite=overwrite)


def _gather(particles: ParticleSet, path: Path, progress: Progress) -> None:
    """Write the images into one stack, on one grid."""
    if any(path.exists() and path.samefile(stack) for stack in particles.stack_paths):
        raise OutputError(
            f"{path}: holds images that are to be read, which are never replaced. Choose another "
            "name after --write-stack."
        )
    n, reader = len(particles), ImageReader(particles)

    def chunks() -> Iterator[Float32[np.ndarray, "m box box"]]:
        with progress.task("images", n) as advance:
            for start in range(0, n, IMAGES_AT_ONCE):
                indices = np.arange(start, min(start + IMAGES_AT_ONCE, n))
                yield reader.read(indices)
                advance(len(indices))

    write_stack(path, chunks(), n, particles.box, particles.pixel_size_angstrom)


def _point_to(path: Path, columns: ParticleColumns, particles: ParticleSet) -> ParticleColumns:
    """Let the columns count the images of the new stack."""
    box, pixel, n = particles.box, particles.pixel_size_angstrom, len(particles)
    optics = tuple(
        replace(group, box=box, pixel_size_angstrom=pixel) for group in particles.optics
    )
    places = ImagePlaces((str(path),), np.zeros(n, np.int32), np.arange(n))
    return replace(columns, places=places, optics=optics)
