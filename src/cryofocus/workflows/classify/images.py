"""Where the images of a run lie, for tables made from its particles."""

from __future__ import annotations

from pathlib import Path

from cryofocus.data.formats import open_table
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.errors import InputError
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.run.directory import RunDirectory


def note_images_of_run(run: Path, output: Path) -> None:
    """Say which `--datadir` a table made from a run needs, if it needs one.

    Args:
        run: Run directory, whose config.yaml tells where the images were found.
        output: The table that was written.
    """
    try:
        request = read_config(RunDirectory(run).config)
        note_image_folder(output, open_table(output), request.particles, request.datadir)
    except InputError:
        return  # the table is good all the same
