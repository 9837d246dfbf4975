"""A word to the user where a table was written to a place from which its images are not found.

Rows keep the image names they had, byte for byte, and such names count from a folder: RELION's
project, or that of the table. A table written elsewhere needs `--datadir`, which is said here.
"""

from __future__ import annotations

import logging
from pathlib import Path

from cryofocus.data.particle_table import ParticleTable
from cryofocus.data.stack_paths import locate_stacks
from cryofocus.errors import InputError

logger = logging.getLogger(__name__)


def note_image_folder(
    output: Path, table: ParticleTable, source: Path | None = None, datadir: Path | None = None
) -> None:
    """Say which `--datadir` a table that was written needs, if it needs one.

    Args:
        output: The table that was written.
        table: The table its rows are from.
        source: Table beside which the images lie; `table` itself if left out.
        datadir: Folder in which image stacks were looked up first.
    """
    try:
        name = table.first_stack()
        (found,) = locate_stacks([name], source or table.path, datadir)
    except InputError:
        return  # nobody needs images that were not there before
    if Path(name).is_absolute() or _is_found_from(output, name, found):
        return
    folder = found.parents[len(Path(name).parts) - 1]
    if not (folder / name).is_file():  # found by its bare name
        folder = found.parent
    logger.info(
        "%s: its image names count from %s; start later commands there, or add --datadir %s",
        *(output, folder, folder),
    )


def _is_found_from(output: Path, name: str, found: Path) -> bool:
    try:
        (path,) = locate_stacks([name], output, None)
    except InputError:
        return False
    return path.samefile(found)
