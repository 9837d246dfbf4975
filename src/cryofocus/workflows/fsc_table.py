"""Tables over Fourier shells, with the column names of RELION."""

from __future__ import annotations

import numpy as np


def shell_columns(n_shells: int, box: int, pixel_size_angstrom: float) -> dict[str, np.ndarray]:
    """Return the columns that say which shell a row of an FSC table is, as RELION names them.

    Shell 0 has no resolution in Å; it stands as 999, as in RELION.
    """
    shells = np.arange(n_shells)
    frequency = shells / (box * pixel_size_angstrom)
    resolution = np.full(n_shells, 999.0)
    resolution[1:] = 1 / frequency[1:]
    return {
        "rlnSpectralIndex": shells,
        "rlnResolution": frequency,
        "rlnAngstromResolution": resolution,
    }
