"""`cryofocus align move`: poses that follow a map that was moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofocus.calls import checked
from cryofocus.data.formats import open_table
from cryofocus.data.labels import pose_columns
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.maps.rigid import RigidTransform
from cryofocus.workflows.fit_record import read_motion
from cryofocus.workflows.run.new_names import require_format_of, require_new_table


@dataclass(frozen=True, eq=False)
class MovedTable:
    """What was written: the table, its rows, and how the map moved that they belong to."""

    path: Path
    n_particles: int
    transform: RigidTransform


@checked
def align_move(
    particles: Path | str,
    by: Path | str,
    output: Path | str,
    *,
    inverse: bool = False,
    overwrite: bool = False,
) -> MovedTable:
    """Move the poses of a table as `fit` moved a map: their map then lies where that map went.

    The table keeps its rows; angles and origins are replaced. Images are not touched.

    Args:
        particles: Particle table with poses.
        by: The .json file that `fit` wrote beside the map it moved.
        output: Table to write, in the format of the one that is read.
        inverse: Move the other way: from the frame of the map that stayed to that of the map that
            was moved.
        overwrite: Replace an existing table.

    Raises:
        InputError: When table or motion cannot be used.
        OutputError: When the table exists (without `overwrite`) or cannot be written.
    """
    particles, output = Path(particles), Path(output)
    require_new_table(output, particles, overwrite=overwrite)
    motion = read_motion(by)
    transform = motion.inverse() if inverse else motion
    table = open_table(particles)
    require_format_of(table, output)
    columns = table.columns()
    moved = transform.move_poses(columns.rotation, columns.shift_angstrom)
    table.write(output, pose_columns(*moved), None)
    note_image_folder(output, table)
    return MovedTable(output, len(columns.rotation), transform)
