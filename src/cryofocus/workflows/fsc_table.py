"""Tables over Fourier shells, with the column names of RELION."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.data.star.document import StarDocument, write_star
from cryofocus.errors import FormatError
from cryofocus.maths.shells import resolved_shell, shell_resolution_angstrom

FREQUENCY, RESOLUTION = "rlnResolution", "rlnAngstromResolution"
CORRELATION = "rlnFourierShellCorrelation"


@dataclass(frozen=True, eq=False)
class FscCurve:
    """Fourier shell correlation of two half maps against spatial frequency (1/Å)."""

    spatial_frequency: Float[np.ndarray, " n_shells"]
    fsc: Float[np.ndarray, " n_shells"]


def write_fsc(
    path: Path,
    curves: Mapping[str, Float[np.ndarray, " n_shells"]],
    box: int,
    pixel_size_angstrom: float,
) -> None:
    """Write the curves of maps on one grid, each as a block of this name.

    Raises:
        OutputError: Disk full, no permission.
    """
    blocks = {
        name: {
            **shell_columns(len(fsc), box, pixel_size_angstrom),
            CORRELATION: np.asarray(fsc, np.float64),
        }
        for name, fsc in curves.items()
    }
    write_star(path, blocks)


def read_fsc(path: Path, names: Sequence[str]) -> tuple[FscCurve, ...]:
    """Read curves back, by the names of their blocks.

    Raises:
        FormatError: When the file is damaged, or lacks a block or column.
    """
    document, curves = StarDocument.read(path), []
    for block in map(document.block, names):
        missing = {FREQUENCY, CORRELATION} - set(block.labels)
        if missing:
            raise FormatError(f"{path}: data_{block.name} lacks {', '.join(sorted(missing))}.")
        columns = document.numbers(block, (FREQUENCY, CORRELATION))
        curves.append(FscCurve(columns[FREQUENCY], columns[CORRELATION]))
    return tuple(curves)


def fsc_resolution_angstrom(
    fsc: Float[np.ndarray, " n_shells"], box: int, pixel_size_angstrom: float
) -> float:
    """Return where a curve falls below 0.143, as `fsc` says it; of noise, the edge of the box."""
    return shell_resolution_angstrom(resolved_shell(fsc), box, pixel_size_angstrom)


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
        FREQUENCY: frequency,
        RESOLUTION: resolution,
    }
