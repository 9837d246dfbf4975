"""The table of a subtracted set, and the way back from it to the intact particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryofocus.calls import checked
from cryofocus.consensus.subparticles import SubParticles
from cryofocus.data.abilities import SubtractedInTable
from cryofocus.data.formats import open_table
from cryofocus.data.labels import DEFOCUS_LABELS, SHIFT_LABELS
from cryofocus.data.mrc import read_header
from cryofocus.data.particle_table import ParticleTable
from cryofocus.data.particles import ParticleSet
from cryofocus.data.stack_paths import locate_stacks
from cryofocus.data.subtracted_stacks import require_intact
from cryofocus.errors import InputError, ParticleError
from cryofocus.logs import get_logger
from cryofocus.workflows.run.new_names import require_new_table

logger = get_logger(__name__)


def subtracted_in(table: ParticleTable) -> SubtractedInTable:
    """Take what a table can say of subtracted images.

    Raises:
        ParticleError: When its format has no place for them.
    """
    if table.subtracted is None:
        raise ParticleError(
            f"{table.path}: its format has no place to say what subtracted images were made from; "
            "expected a table of RELION, cryoSPARC or cisTEM. Convert it first: "
            f"cryofocus convert {table.path} -o particles.star."
        )
    return table.subtracted


def require_editable(particles: ParticleSet) -> None:
    """Check that the table of particles can be told of a new pixel size.

    Raises:
        ParticleError: When it cannot.
    """
    used = [particles.optics[g] for g in np.unique(particles.optics_of_particle)]
    if any(group.pixel_size_angstrom != particles.pixel_size_angstrom for group in used):
        subtracted_in(particles.source).require_place_for_pixel_size()


def moved_columns(particles: ParticleSet, cut: SubParticles | None) -> dict[str, np.ndarray]:
    """Give shifts and defoci, by label, of what images are cut around; none if they stay whole."""
    if cut is None:
        return {}
    defoci = (particles.ctf.defocus_u_angstrom, particles.ctf.defocus_v_angstrom)
    moved = dict(zip(SHIFT_LABELS, cut.shift_angstrom.T, strict=True))
    for label, defocus in zip(DEFOCUS_LABELS, defoci, strict=False):
        moved[label] = defocus + cut.defocus_change_angstrom
    return moved


@checked
def revert(particles: Path | str, output: Path | str, *, overwrite: bool = False) -> int:
    """Write the table of a subtracted set with its intact particles in place of its images.

    Everything found since, such as classes and posteriors, stays. Images, and with images that
    were cut also poses, defocus and box, are those of the particles first given to `subtract`;
    poses found for cut images describe the sub-particle and are left behind.

    Args:
        particles: Table written by `subtract`, or made from it by classification or selection.
        output: File to write, of the format of that table.
        overwrite: Replace an existing file.

    Returns:
        Number of particles.

    Raises:
        ParticleError: When the table does not say where its images come from.
        OutputError: When the output exists, or cannot be written.
    """
    output = Path(output)
    require_new_table(output, Path(particles), overwrite=overwrite)
    table = open_table(Path(particles))
    subtracted_in(table).write_intact(output)
    _say_where_images_are(output)
    return table.n_rows


def _say_where_images_are(table: Path) -> None:
    """Warn when the intact images are not found: only who has the first table knows where from."""
    name = open_table(table).first_stack()
    try:
        (path,) = locate_stacks([name], table, None)
        require_intact(read_header(path), name)
    except InputError:
        logger.warning(
            "%s: its images (%s) are named as in the table first given to subtract, and are not "
            "found from here; start later commands where that table was used, or add --datadir "
            "with the folder of the intact images, not that of the subtracted ones",
            table,
            name,
        )
