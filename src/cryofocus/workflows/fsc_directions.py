"""The tables of `cryofocus fsc` by direction: what each direction has, and how far they differ."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from cryofocus.maps.resolution import DirectionalFsc
from cryofocus.maths.shells import FSC_HALF, FSC_LIMIT
from cryofocus.workflows.run.record import Row

DIRECTIONS, CONES = "directional.csv", "directional_fsc.csv"
MEASURE_AGAIN = "Measure it again with cryofocus fsc."
NEARLY_ALL = (10, 90)
"""Percentiles between which the curves of most directions lie."""


class DirectionRow(Row):
    """The resolution along one direction: a row of directional.csv.

    Attributes:
        x: Of the unit vector, with y and z.
        resolution_angstrom: Where the FSC within the cone falls below 0.143.
        resolution_half_angstrom: Where it falls below 0.5.
    """

    remedy: ClassVar[str] = MEASURE_AGAIN

    x: float
    y: float
    z: float
    resolution_angstrom: float
    resolution_half_angstrom: float


class ConeRow(Row):
    """How the FSC within cones spreads over directions: a row of directional_fsc.csv, a shell.

    Attributes:
        frequency_per_angstrom: Spatial frequency.
        mean: Over all directions.
        lowest: Of all directions.
        low: Ten per cent of the directions lie below.
        high: Ten per cent of the directions lie above.
        highest: Of all directions.
        best: Curve of the direction with the best resolution.
        worst: Curve of the direction with the worst resolution.
    """

    remedy: ClassVar[str] = MEASURE_AGAIN

    frequency_per_angstrom: float
    mean: float
    lowest: float
    low: float
    high: float
    highest: float
    best: float
    worst: float


def write_directions(folder: Path, measured: DirectionalFsc, extent_angstrom: float) -> None:
    """Write both tables.

    Args:
        folder: Directory of the result.
        measured: Curves within cones.
        extent_angstrom: Edge of the box.

    Raises:
        OutputError: Disk full, no permission.
    """
    resolution = extent_angstrom / measured.crossings(FSC_LIMIT)
    half = extent_angstrom / measured.crossings(FSC_HALF)
    columns = (*measured.direction.T, resolution, half)
    names = tuple(DirectionRow.model_fields)
    DirectionRow.write(
        folder / DIRECTIONS,
        [
            DirectionRow(**dict(zip(names, map(float, values), strict=True)))
            for values in zip(*columns, strict=True)
        ],
    )
    ConeRow.write(folder / CONES, spread_of_cones(measured.fsc, resolution, extent_angstrom))


def spread_of_cones(
    fsc: np.ndarray, resolution_angstrom: np.ndarray, extent_angstrom: float
) -> list[ConeRow]:
    """Summarise curves of many directions, shell by shell.

    Args:
        fsc: Array (direction, shell).
        resolution_angstrom: Of each direction.
        extent_angstrom: Edge of the box.
    """
    columns = (
        np.arange(fsc.shape[1]) / extent_angstrom,
        fsc.mean(axis=0),
        fsc.min(axis=0),
        *np.percentile(fsc, NEARLY_ALL, axis=0),
        fsc.max(axis=0),
        fsc[resolution_angstrom.argmin()],
        fsc[resolution_angstrom.argmax()],
    )
    names = tuple(ConeRow.model_fields)
    return [
        ConeRow(**dict(zip(names, map(float, values), strict=True)))
        for values in zip(*columns, strict=True)
    ]
