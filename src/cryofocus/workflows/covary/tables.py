"""The results of `covary` as plain records and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryofocus.covariance.cooccurrence import Cooccurrence
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.inputs import Run
from cryofocus.workflows.covary.levels import ClassLevel, ParticleLevel
from cryofocus.workflows.covary.record import UNDETERMINED, as_matrix, as_numbers
from cryofocus.workflows.run.writing import Cell, write_array, write_table

# A normal variable stays within so many standard deviations in 95 % of all cases.
NORMAL_95 = 1.96


def describe_classes(level: ClassLevel, runs: Sequence[Run]) -> files.ClassLevel:
    """Return the class level as a plain record."""
    found = level.correlation
    return files.ClassLevel(
        correlation=as_matrix(found.correlation),
        low=as_matrix(found.low),
        high=as_matrix(found.high),
        varies=tuple(found.varies.tolist()),
        variation_p=as_numbers(found.variation_p),
        spread=as_numbers(found.spread),
        error=as_numbers(found.error),
        n_points=found.n_points,
        n_states=found.n_states,
        unit=level.unit,
        runs=tuple(run.name for run in runs),
        class_of_row=tuple(
            (number, k + 1)
            for number, masses in enumerate(level.masses)
            for k in range(len(masses.masses))
        ),
        masses=as_matrix(np.concatenate([run.masses for run in level.masses])),
        errors=as_matrix(np.concatenate([run.errors for run in level.masses])),
    )


def describe_particles(level: ParticleLevel) -> files.ParticleLevel:
    """Return the particle level as a plain record."""
    found = level.correlation
    reach = NORMAL_95 * found.fit.correlation_error
    spread = np.maximum(found.spread, np.finfo(float).tiny)
    return files.ParticleLevel(
        correlation=as_matrix(found.correlation),
        low=as_matrix(np.maximum(found.correlation - reach, -1)),
        high=as_matrix(np.minimum(found.correlation + reach, 1)),
        p_values=as_matrix(found.p_values),
        null=as_matrix(found.null),
        varies=tuple(found.varies.tolist()),
        spread=as_numbers(found.spread),
        spread_error=as_numbers(found.fit.variance_error / (2 * spread)),
        noise_spread=as_numbers(found.noise_spread),
        n_particles=found.n_particles,
        n_permutations=found.n_permutations,
        resolution_angstrom=level.resolution_angstrom,
    )


def describe_unit(run: str, number: int, found: Cooccurrence) -> files.UnitLevel:
    """Return the classes of one relation of units as a plain record."""
    relation = found.relation
    return files.UnitLevel(
        run=run,
        relation=number,
        units=tuple((u + 1, v + 1) for u, v in relation.pairs.tolist()),
        angle_degrees=relation.angle_degrees,
        shift_angstrom=relation.shift_angstrom,
        n_pairs=found.n_pairs,
        counts=as_matrix(found.counts),
        joint=as_matrix(found.joint),
        expected=as_matrix(found.expected),
        p_values=as_matrix(found.p_values),
        coupling=found.coupling,
        coupling_error=found.coupling_error,
        information_bits=found.information_bits,
        p_value=found.p_value,
        adjusted_p_value=found.adjusted_p_value,
    )


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
        write_table(folder / files.OCCUPANCY, _masses(names, classes))
    if (level := record.particle_level) is not None and particles is not None:
        write_table(folder / files.PARTICLE_CORRELATION, _square(names, level.correlation))
        write_table(folder / files.NULL_CORRELATION, _square(names, level.null))
        write_table(folder / files.P_VALUES, _square(names, level.p_values))
        occupancies = particles.occupancies
        variance = np.diagonal(occupancies.noise, axis1=1, axis2=2)
        write_array(folder / files.PARTICLE_OCCUPANCIES, occupancies.values.astype(np.float32))
        write_array(folder / files.PARTICLE_ERRORS, np.sqrt(variance).astype(np.float32))
    write_table(folder / files.INTERVALS, _intervals(record))
    if record.unit_level:
        write_table(folder / files.COOCCURRENCE, _combinations(record.unit_level))
        write_table(folder / files.RELATIONS, _relations(record.unit_level))


def _square(names: Sequence[str], matrix: files.Matrix) -> dict[str, list[Cell]]:
    """Return a square table: names as header and in the first column."""
    columns: dict[str, list[Cell]] = {"": list(names)}
    for column, name in enumerate(names):
        columns[name] = [_cell(row[column]) for row in matrix]
    return columns


def _cell(value: float | None) -> Cell:
    return UNDETERMINED if value is None else value


def _masses(names: Sequence[str], level: files.ClassLevel) -> dict[str, list[Cell]]:
    rows = [
        (level.runs[run], number, name, _cell(masses[i]), _cell(errors[i]))
        for (run, number), masses, errors in zip(
            level.class_of_row, level.masses, level.errors, strict=True
        )
        for i, name in enumerate(names)
    ]
    return _columns(("run", "class", "region", "mass", "mass_error"), rows)


def _intervals(record: files.CovaryRecord) -> dict[str, list[Cell]]:
    rows: list[tuple[Cell, ...]] = []
    for kind, level in (("classes", record.class_level), ("particles", record.particle_level)):
        if level is None:
            continue
        for i, first in enumerate(record.regions):
            for j in range(i + 1, len(record.regions)):
                numbers = (level.correlation[i][j], level.low[i][j], level.high[i][j])
                rows.append((kind, first, record.regions[j], *map(_cell, numbers)))
    return _columns(("over", "first", "second", "correlation", "low", "high"), rows)


def _combinations(levels: Sequence[files.UnitLevel]) -> dict[str, list[Cell]]:
    rows = [
        (
            *(level.run, level.relation, k + 1, m + 1, _cell(level.counts[k][m])),
            *(_cell(table[k][m]) for table in (level.joint, level.expected, level.p_values)),
        )
        for level in levels
        for k in range(len(level.joint))
        for m in range(len(level.joint))
    ]
    names = ("run", "relation", "first_class", "second_class", "counted", "observed")
    return _columns((*names, "expected", "p_value"), rows)


def _relations(levels: Sequence[files.UnitLevel]) -> dict[str, list[Cell]]:
    rows = [
        (
            *(level.run, level.relation, " ".join(f"{u}-{v}" for u, v in level.units)),
            "" if level.angle_degrees is None else level.angle_degrees,
            "" if level.shift_angstrom is None else level.shift_angstrom,
            *(level.n_pairs, level.coupling, level.coupling_error, level.information_bits),
            *(level.p_value, level.adjusted_p_value),
        )
        for level in levels
    ]
    names = ("run", "relation", "units", "angle_degrees", "shift_angstrom", "pairs", "coupling")
    more = ("coupling_error", "information_bits", "p_value", "adjusted_p_value")
    return _columns((*names, *more), rows)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> dict[str, list[Cell]]:
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
