"""The results of `covary` as plain records and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import ClassVar

import numpy as np

from cryofocus.covariance.cooccurrence import Cooccurrence
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.inputs import Run
from cryofocus.workflows.covary.levels import ClassLevel, ParticleLevel
from cryofocus.workflows.covary.record import UNDETERMINED
from cryofocus.workflows.run.tables import Row
from cryofocus.workflows.run.writing import Cell, write_array, write_table

# A normal variable stays within so many standard deviations in 95 % of all cases.
NORMAL_95 = 1.96


def describe_classes(level: ClassLevel, runs: Sequence[Run]) -> files.ClassLevel:
    """Return the class level as a plain record."""
    return files.ClassLevel(
        **vars(level.correlation),
        unit=level.unit,
        runs=tuple(run.name for run in runs),
        class_of_row=tuple(
            (number, k + 1)
            for number, masses in enumerate(level.masses)
            for k in range(len(masses.masses))
        ),
        masses=np.concatenate([run.masses for run in level.masses]).tolist(),
        errors=np.concatenate([run.errors for run in level.masses]).tolist(),
    )


def describe_particles(level: ParticleLevel) -> files.ParticleLevel:
    """Return the particle level as a plain record."""
    found = level.correlation
    reach = NORMAL_95 * found.fit.correlation_error
    spread = np.maximum(found.spread, np.finfo(float).tiny)
    derived = {
        "correlation": found.correlation,
        "low": np.maximum(found.correlation - reach, -1),
        "high": np.minimum(found.correlation + reach, 1),
        "spread": found.spread,
        "spread_error": found.fit.variance_error / (2 * spread),
    }
    return files.ParticleLevel(
        **(vars(found) | derived), resolution_angstrom=level.resolution_angstrom
    )


def describe_unit(run: str, number: int, found: Cooccurrence) -> files.UnitLevel:
    """Return the classes of one relation of units as a plain record."""
    units = tuple((u + 1, v + 1) for u, v in found.relation.pairs.tolist())
    numbers = vars(found.relation) | vars(found) | {"relation": number}
    return files.UnitLevel(run=run, units=units, **numbers)


def write_tables(
    folder: Path, record: files.CovaryRecord, particles: ParticleLevel | None
) -> None:
    """Write every table that there are numbers for.

    Raises:
        OutputError: Disk full, no permission.
    """
    names = record.regions
    if (classes := record.class_level) is not None:
        write_table(folder / files.CORRELATION, _square(names, classes.correlation))
        MassRow.write(folder / files.OCCUPANCY, _masses(names, classes))
    if (level := record.particle_level) is not None and particles is not None:
        write_table(folder / files.PARTICLE_CORRELATION, _square(names, level.correlation))
        write_table(folder / files.NULL_CORRELATION, _square(names, level.null))
        write_table(folder / files.P_VALUES, _square(names, level.p_values))
        occupancies = particles.occupancies
        variance = np.diagonal(occupancies.noise, axis1=1, axis2=2)
        write_array(folder / files.PARTICLE_OCCUPANCIES, occupancies.values.astype(np.float32))
        write_array(folder / files.PARTICLE_ERRORS, np.sqrt(variance).astype(np.float32))
    IntervalRow.write(folder / files.INTERVALS, _intervals(record))
    if units := record.unit_level:
        rows = [row for level in units for row in _combinations(level)]
        CombinationRow.write(folder / files.COOCCURRENCE, rows)
        RelationRow.write(folder / files.RELATIONS, [_relation(level) for level in units])


def _square(names: Sequence[str], matrix: files.Matrix) -> dict[str, list[Cell]]:
    """Return a square table: names as header and in the first column."""
    columns: dict[str, list[Cell]] = {"": list(names)}
    for column, name in enumerate(names):
        values = [row[column] for row in matrix]
        columns[name] = [UNDETERMINED if value is None else value for value in values]
    return columns


class CovaryRow(Row):
    """Base of the rows of these tables."""

    remedy = files.CovaryRecord.remedy
    nothing = UNDETERMINED


class MassRow(CovaryRow):
    """Mass of a region in a class map: a row of occupancy.csv."""

    columns: ClassVar = {"class_number": "class"}

    run: str
    class_number: int
    region: str
    mass: float | None
    mass_error: float | None


class IntervalRow(CovaryRow):
    """A correlation with its 95 % interval, over classes or particles: a row of intervals.csv."""

    over: str
    first: str
    second: str
    correlation: float | None
    low: float | None
    high: float | None


class CombinationRow(CovaryRow):
    """Classes of two units of one particle: a row of cooccurrence.csv."""

    run: str
    relation: int
    first_class: int
    second_class: int
    counted: float | None
    observed: float | None
    expected: float | None
    p_value: float | None


class RelationRow(CovaryRow):
    """How units that lie to each other in one way choose their classes: a row of relations.csv."""

    nothing = ""

    run: str
    relation: int
    units: str
    angle_degrees: float | None
    shift_angstrom: float | None
    pairs: int
    coupling: float
    coupling_error: float
    information_bits: float
    p_value: float
    adjusted_p_value: float


def _masses(names: Sequence[str], level: files.ClassLevel) -> list[MassRow]:
    return [
        MassRow(
            run=level.runs[run],
            class_number=number,
            region=name,
            mass=masses[i],
            mass_error=errors[i],
        )
        for (run, number), masses, errors in zip(
            level.class_of_row, level.masses, level.errors, strict=True
        )
        for i, name in enumerate(names)
    ]


def _intervals(record: files.CovaryRecord) -> list[IntervalRow]:
    return [
        IntervalRow(
            over=kind,
            first=record.regions[i],
            second=record.regions[j],
            correlation=level.correlation[i][j],
            low=level.low[i][j],
            high=level.high[i][j],
        )
        for kind, level in (("classes", record.class_level), ("particles", record.particle_level))
        if level is not None
        for i, j in combinations(range(len(record.regions)), 2)
    ]


def _combinations(level: files.UnitLevel) -> list[CombinationRow]:
    return [
        CombinationRow(
            run=level.run,
            relation=level.relation,
            first_class=k + 1,
            second_class=m + 1,
            counted=level.counts[k][m],
            observed=level.joint[k][m],
            expected=level.expected[k][m],
            p_value=level.p_values[k][m],
        )
        for k, m in product(range(len(level.joint)), repeat=2)
    ]


def _relation(level: files.UnitLevel) -> RelationRow:
    return RelationRow(
        **level.model_dump(include=set(RelationRow.model_fields) - {"units"}),
        units=" ".join(f"{u}-{v}" for u, v in level.units),
        pairs=level.n_pairs,
    )
