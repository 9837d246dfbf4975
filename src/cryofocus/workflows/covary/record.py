"""The files of `covary`: their names, and the record that the page is made from."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator

from cryofocus.covariance.conditional import State
from cryofocus.workflows.run.new_directory import DirectoryKind
from cryofocus.workflows.run.record import Record, RecordPart

CORRELATION, INTERVALS, OCCUPANCY = "correlation.csv", "intervals.csv", "occupancy.csv"
PARTICLE_CORRELATION, P_VALUES = "particle_correlation.csv", "pvalues.csv"
NULL_CORRELATION = "null_correlation.csv"
PARTIAL_CORRELATION, JOINT_STATES = "partial_correlation.csv", "joint_states.csv"
ASSEMBLY_PATH, CONDITIONAL = "assembly_path.csv", "conditional.csv"
PARTICLE_OCCUPANCIES, PARTICLE_ERRORS = "occupancies.npy", "occupancy_errors.npy"
COOCCURRENCE, RELATIONS = "cooccurrence.csv", "relations.csv"
FIGURE = "correlation.png"
RECORD, REPORT, LOG, README = "covary.json", "report.html", "run.log", "README.txt"
UNDETERMINED = "undetermined"
KIND = DirectoryKind("directory of covary", RECORD)

PURPOSES = {
    REPORT: "the page to start with",
    FIGURE: "the correlation matrices as a picture",
    CORRELATION: "correlation of the regions over classes and runs",
    OCCUPANCY: "mass of each region in each class map, with its error",
    PARTICLE_CORRELATION: "correlation of the regions over particles, noise removed",
    P_VALUES: "of the hypothesis that two regions do not vary together over particles",
    NULL_CORRELATION: "the same correlation with every region shuffled over the particles",
    PARTIAL_CORRELATION: "correlation over particles given all other regions",
    JOINT_STATES: "which combinations of regions there are, with their probabilities",
    ASSEMBLY_PATH: "which region occurs only with which other",
    CONDITIONAL: "how regions vary together among particles that have or lack another (--given)",
    INTERVALS: "95 % interval of every correlation of both kinds",
    PARTICLE_OCCUPANCIES: "occupancy of each region in each particle, float32 (particle, region)",
    PARTICLE_ERRORS: "its standard errors",
    COOCCURRENCE: "classes of the units of an expanded set, two by two",
    RELATIONS: "how far units choose their classes together, by how they lie to each other",
    RECORD: "everything for programs",
    LOG: "what happened, line by line",
    README: "this list",
}


def _as_json_says(value: object) -> object:
    """Return None for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Numbers = tuple[Annotated[float | None, BeforeValidator(_as_json_says)], ...]
Matrix = tuple[Numbers, ...]


class ClassLevel(RecordPart):
    """Correlation over classes and runs; None stands for what is undetermined.

    ``counts`` says of each run whether it counts: copies of an earlier one do not.
    """

    correlation: Matrix
    low: Matrix
    high: Matrix
    varies: tuple[bool, ...]
    variation_p: Numbers
    spread: Numbers
    error: Numbers
    n_points: int
    n_states: int
    unit: str
    runs: tuple[str, ...]
    counts: tuple[bool, ...]
    class_of_row: tuple[tuple[int, int], ...]
    masses: Matrix
    errors: Matrix


class JointLevel(RecordPart):
    """Probabilities of the combinations of regions, by their names, and what follows what.

    ``patterns`` holds the names of the regions that are present; ``follows`` for each pair of
    regions the share of particles with the first that lack the second; ``path`` pairs of an
    earlier and a later region.
    """

    regions: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]
    probability: Numbers
    low: Numbers
    high: Numbers
    follows: Matrix
    follows_high: Matrix
    path: tuple[tuple[str, str], ...]


class ConditionalLevel(RecordPart):
    """The other regions among the particles that have a region, or lack it.

    None stands for what is undetermined: all of it where too few particles meet the condition, a
    correlation where one of the two regions hardly varies among them.
    """

    region: str
    state: State
    n_particles: int
    share: float
    share_low: float
    share_high: float
    others: tuple[str, ...]
    presence: Numbers
    presence_low: Numbers
    presence_high: Numbers
    both: Matrix
    both_low: Matrix
    both_high: Matrix
    correlation: Matrix
    low: Matrix
    high: Matrix


class ParticleLevel(RecordPart):
    """Correlation over particles; None stands for what is undetermined."""

    correlation: Matrix
    low: Matrix
    high: Matrix
    p_values: Matrix
    null: Matrix
    varies: tuple[bool, ...]
    spread: Numbers
    spread_error: Numbers
    noise_spread: Numbers
    n_particles: int
    n_permutations: int
    partial: Matrix = ()
    partial_low: Matrix = ()
    partial_high: Matrix = ()
    joint: JointLevel | None = None
    conditional: tuple[ConditionalLevel, ...] = ()
    resolution_angstrom: float


class UnitLevel(RecordPart):
    """Classes of the units that lie to each other in one way, in one run."""

    run: str
    relation: int
    units: tuple[tuple[int, int], ...]
    angle_degrees: float | None
    shift_angstrom: float | None
    n_pairs: int
    counts: Matrix
    joint: Matrix
    expected: Matrix
    p_values: Matrix
    coupling: float
    coupling_error: float
    information_bits: float
    p_value: float
    adjusted_p_value: float


class CovaryRecord(Record):
    """All of covary.json.

    Attributes:
        version: Of the program.
        sources: Run directories or the particle table.
        regions: Names, in the order of all matrices.
        region_files: Their masks.
        class_level: None where it could not be computed; `warnings` say why.
        particle_level: None where it could not be computed; `warnings` say why.
        unit_level: One entry per run and relation; empty without expanded sets.
        warnings: Sentences that end in advice.
    """

    remedy = "Give a directory that 'cryofocus covary' wrote, or compute it again."

    version: str
    sources: tuple[str, ...]
    regions: tuple[str, ...]
    region_files: tuple[str, ...]
    class_level: ClassLevel | None = None
    particle_level: ParticleLevel | None = None
    unit_level: tuple[UnitLevel, ...] = ()
    warnings: tuple[str, ...] = ()


def readme_text() -> str:
    """Compose README.txt: one line a file."""
    width = max(map(len, PURPOSES)) + 2
    lines = [f"{name:<{width}}{purpose}" for name, purpose in PURPOSES.items()]
    note = f"Not every directory holds every file. '{UNDETERMINED}': the region does not vary."
    return "\n".join(["Directory of cryofocus covary", "", *lines, "", note, ""])
