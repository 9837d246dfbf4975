"""The results of `covary` as plain records and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, compress, product
from pathlib import Path

import numpy as np

from cryofocus.covariance.conditional import Conditional
from cryofocus.covariance.cooccurrence import Cooccurrence
from cryofocus.covariance.joint_states import JointStates
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.inputs import Run
from cryofocus.workflows.covary.levels import ClassLevel
from cryofocus.workflows.covary.particle_level import ParticleLevel
from cryofocus.workflows.covary.record import UNDETERMINED
from cryofocus.workflows.run.writing import Cell, write_array, write_table

MASS_COLUMNS = ("run", "class", "region", "mass", "mass_error")
INTERVAL_COLUMNS = ("over", "first", "second", "correlation", "low", "high")
PATH_COLUMNS = ("first", "then", "without_first", "without_first_high")
CONDITIONAL_COLUMNS = (
    *("given", "state", "first", "second"),
    *("quantity", "value", "low", "high"),
)
COMBINATION_COLUMNS = (
    *("run", "relation", "first_class", "second_class"),
    *("counted", "observed", "expected", "p_value"),
)
RELATION_COLUMNS = (
    *("run", "relation", "units", "angle_degrees", "shift_angstrom", "pairs", "coupling"),
    *("coupling_error", "information_bits", "p_value", "adjusted_p_value"),
)


def describe_classes(level: ClassLevel, runs: Sequence[Run]) -> files.ClassLevel:
    """Return the class level as a plain record."""
    return files.ClassLevel(
        **vars(level.correlation),
        unit=level.unit,
        runs=tuple(run.name for run in runs),
        counts=tuple(run.counts for run in runs),
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
    joint = None if level.joint is None else _describe_joint(found.names, level.joint)
    return files.ParticleLevel(
        **vars(found),
        joint=joint,
        conditional=tuple(_describe_condition(found.names, one) for one in level.conditional),
        resolution_angstrom=level.resolution_angstrom,
    )


def _describe_condition(names: Sequence[str], found: Conditional) -> files.ConditionalLevel:
    share, presence, both, correlation = (
        [one.value.tolist(), one.low.tolist(), one.high.tolist()]
        for one in (found.share, found.presence, found.both, found.correlation)
    )
    return files.ConditionalLevel(
        region=names[found.condition.region],
        state=found.condition.state,
        n_particles=found.n_particles,
        **dict(zip(("share", "share_low", "share_high"), share, strict=True)),
        others=tuple(names[region] for region in found.regions),
        **dict(zip(("presence", "presence_low", "presence_high"), presence, strict=True)),
        **dict(zip(("both", "both_low", "both_high"), both, strict=True)),
        **dict(zip(("correlation", "low", "high"), correlation, strict=True)),
    )


def _describe_joint(names: Sequence[str], joint: JointStates) -> files.JointLevel:
    own = [names[region] for region in joint.regions]
    order = np.argsort(-joint.probability)
    return files.JointLevel(
        regions=tuple(own),
        patterns=tuple(tuple(compress(own, joint.patterns[k])) for k in order),
        probability=joint.probability[order].tolist(),
        low=joint.low[order].tolist(),
        high=joint.high[order].tolist(),
        follows=joint.follows.tolist(),
        follows_high=joint.follows_high.tolist(),
        path=tuple((own[earlier], own[later]) for earlier, later in joint.path()),
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
        _write(folder / files.OCCUPANCY, MASS_COLUMNS, _masses(names, classes))
    if (level := record.particle_level) is not None and particles is not None:
        write_table(folder / files.PARTICLE_CORRELATION, _square(names, level.correlation))
        write_table(folder / files.NULL_CORRELATION, _square(names, level.null))
        write_table(folder / files.P_VALUES, _square(names, level.p_values))
        write_table(folder / files.PARTIAL_CORRELATION, _square(names, level.partial))
        if (joint := level.joint) is not None:
            columns = ("pattern", *joint.regions, "probability", "low", "high")
            _write(folder / files.JOINT_STATES, columns, _patterns(joint))
            _write(folder / files.ASSEMBLY_PATH, PATH_COLUMNS, _steps(joint))
        if level.conditional:
            rows = chain.from_iterable(map(_answers, level.conditional))
            _write(folder / files.CONDITIONAL, CONDITIONAL_COLUMNS, rows)
        occupancies = particles.occupancies
        variance = np.diagonal(occupancies.noise, axis1=1, axis2=2)
        write_array(folder / files.PARTICLE_OCCUPANCIES, occupancies.values.astype(np.float32))
        write_array(folder / files.PARTICLE_ERRORS, np.sqrt(variance).astype(np.float32))
    _write(folder / files.INTERVALS, INTERVAL_COLUMNS, _intervals(record))
    if units := record.unit_level:
        rows = chain.from_iterable(map(_combinations, units))
        _write(folder / files.COOCCURRENCE, COMBINATION_COLUMNS, rows)
        _write(folder / files.RELATIONS, RELATION_COLUMNS, map(_relation, units), nothing="")


def _patterns(joint: files.JointLevel) -> Iterator[Sequence[Cell | None]]:
    """Yield every combination of regions, the most probable first."""
    rows = zip(joint.patterns, joint.probability, joint.low, joint.high, strict=True)
    for present, *figures in rows:
        yield ("+".join(present) or "none", *(int(r in present) for r in joint.regions), *figures)


def _steps(joint: files.JointLevel) -> Iterator[Sequence[Cell | None]]:
    """Yield the steps of the assembly path, and how often each is missed."""
    for earlier, later in joint.path:
        place = joint.regions.index(later), joint.regions.index(earlier)
        share, high = (m[place[0]][place[1]] for m in (joint.follows, joint.follows_high))
        yield earlier, later, share, high


def _answers(found: files.ConditionalLevel) -> Iterator[Sequence[Cell | None]]:
    """Yield the share of a condition, of each other region, and what each pair does."""
    given, others = (found.region, found.state), found.others
    yield *given, "", "", "share", found.share, found.share_low, found.share_high
    shares = (found.presence, found.presence_low, found.presence_high)
    for name, *figures in zip(others, *shares, strict=True):
        yield *given, name, "", "present", *figures
    for (i, first), (j, second) in combinations(enumerate(others), 2):
        for quantity, matrices in (
            ("both", (found.both, found.both_low, found.both_high)),
            ("correlation", (found.correlation, found.low, found.high)),
        ):
            yield *given, first, second, quantity, *(matrix[i][j] for matrix in matrices)


def _square(names: Sequence[str], matrix: files.Matrix) -> dict[str, list[Cell]]:
    """Return a square table: names as header and in the first column."""
    columns: dict[str, list[Cell]] = {"": list(names)}
    for column, name in enumerate(names):
        values = [row[column] for row in matrix]
        columns[name] = [UNDETERMINED if value is None else value for value in values]
    return columns


def _write(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell | None]],
    nothing: str = UNDETERMINED,
) -> None:
    """Write rows under a header; None as `nothing`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    cells = [[nothing if cell is None else cell for cell in column] for column in columns]
    write_table(path, dict(zip(header, cells, strict=True)))


def _masses(names: Sequence[str], level: files.ClassLevel) -> Iterator[Sequence[Cell | None]]:
    """Yield the mass of each region in each class map."""
    rows = zip(level.class_of_row, level.masses, level.errors, strict=True)
    for (run, number), masses, errors in rows:
        for entries in zip(names, masses, errors, strict=True):
            yield level.runs[run], number, *entries


def _intervals(record: files.CovaryRecord) -> Iterator[Sequence[Cell | None]]:
    """Yield each correlation with its 95 % interval, over classes and over particles."""
    for kind, level in (("classes", record.class_level), ("particles", record.particle_level)):
        if level is not None:
            for (i, first), (j, second) in combinations(enumerate(record.regions), 2):
                found = (matrix[i][j] for matrix in (level.correlation, level.low, level.high))
                yield kind, first, second, *found


def _combinations(level: files.UnitLevel) -> Iterator[Sequence[Cell | None]]:
    """Yield the classes of two units of one particle."""
    matrices = (level.counts, level.joint, level.expected, level.p_values)
    for k, m in product(range(len(level.joint)), repeat=2):
        yield level.run, level.relation, k + 1, m + 1, *(matrix[k][m] for matrix in matrices)


def _relation(level: files.UnitLevel) -> Sequence[Cell | None]:
    """Tell how units that lie to each other in one way choose their classes."""
    derived = {"pairs": level.n_pairs, "units": " ".join(f"{u}-{v}" for u, v in level.units)}
    values = vars(level) | derived
    return [values[name] for name in RELATION_COLUMNS]
