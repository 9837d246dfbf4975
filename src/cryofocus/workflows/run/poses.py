"""The poses of a run whose particles were refined, or moved with their class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from cryofocus.errors import FormatError
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.reading import CLASSIFY_AGAIN, explain_damage

Poses = tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]]


def read_poses(
    directory: RunDirectory, labels: Int[np.ndarray, " n"], n_classes: int
) -> Poses | None:
    """Read rotations and shifts (Å) of a run, where each class has its own that of the label.

    Args:
        directory: Finished run.
        labels: Class of each particle, from 0.
        n_classes: Of the run.

    Returns:
        None where poses stayed as they were given.

    Raises:
        FormatError: When the file is damaged, or of other particles.
    """
    path = directory.poses
    if not path.is_file():
        return None
    with (
        explain_damage(path, CLASSIFY_AGAIN),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        rotation, shift = stored["rotation"], stored["shift_angstrom"]
    n = len(labels)
    if (rotation.shape, shift.shape) == ((n, 3, 3), (n, 2)):
        return rotation, shift
    expected = ((n, n_classes, 3, 3), (n, n_classes, 2))
    if (rotation.shape, shift.shape) != expected:
        raise FormatError(
            f"{path}: arrays of shapes {rotation.shape} and {shift.shape}, but the run has {n} "
            f"particles and {n_classes} classes. Run the classification again with --overwrite."
        )
    rows = np.arange(n)
    return rotation[rows, labels], shift[rows, labels]
