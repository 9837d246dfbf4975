"""The class posteriors of a finished run, read and checked."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofocus.errors import FormatError
from cryofocus.workflows.run.directory import RunDirectory


def read_posteriors(
    directory: RunDirectory, shape: tuple[int, int]
) -> Float[np.ndarray, "particle n_classes"]:
    """Read the class posteriors of a finished run.

    Raises:
        FormatError: When the file is missing or damaged, or has another shape than (particle,
            class).
    """
    try:
        posteriors = np.load(directory.posteriors, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(
            f"{directory.posteriors}: missing or damaged ({error}). Run the classification again."
        ) from error
    if posteriors.shape != shape:
        raise FormatError(
            f"{directory.posteriors}: shape {posteriors.shape}, but the particle table and "
            f"job.json say {shape}. Run the classification again with --overwrite."
        )
    return np.asarray(posteriors, np.float64)
