"""The schema of job.json."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AliasChoices, Field

from cryofocus.workflows.run.reading import CLASSIFY_AGAIN
from cryofocus.workflows.run.record import Record, RecordPart

# Runs of version 0.1 called it the log-likelihood, which it is with one strategy only.
OBJECTIVE = AliasChoices("objective", "log_likelihood")

CERTAIN_POSTERIOR = 0.9
"""A particle counts as certain from this posterior of its most probable class on."""


class Hardware(RecordPart):
    """Where the run was made; ``gpu`` is None where the processor did the work."""

    processor: str
    cores: int
    memory_gb: float
    python: str
    platform: str
    gpu: str | None = None


class Worker(RecordPart):
    """A process that did the work, as the scheduler knew it; without a memory limit, None."""

    host: str
    threads: int
    memory_limit_gb: float | None = None


class Cluster(RecordPart):
    """The workers there were when the run began, and how many threads each of them was given."""

    kind: Literal["local", "scheduler", "slurm"]
    n_workers: int
    threads: int
    workers: tuple[Worker, ...]


class FocusRegion(RecordPart):
    """The region in focus: a sphere (Å, the map's frame), a mask file or the whole particle."""

    kind: Literal["sphere", "mask", "whole"]
    centre_angstrom: tuple[float, float, float] | None = None
    radius_angstrom: float | None = None
    path: str | None = None


class RunSummary(RecordPart):
    """One of the independent runs; ``run`` counts from 1.

    ``refining_cycles`` came after its end.
    """

    run: int
    seed: int
    cycles: int
    refining_cycles: int = 0
    objective: float = Field(validation_alias=OBJECTIVE)
    converged: bool
    reason: str
    agreement_with_best: float | None = None


class NumberTried(RecordPart):
    """A number of classes that was tried, and the log-posterior its run ended with."""

    n_classes: int
    objective: float
    converged: bool


class PairAgreement(RecordPart):
    """Fraction of particles that two runs put into the same class, after matching the classes."""

    first: int
    second: int
    agreement: float


class RunAgreement(RecordPart):
    """How well the runs agree; ``mean`` is over all pairs, None for a single run."""

    mean: float | None = None
    per_pair: tuple[PairAgreement, ...] = ()


class Contrast(RecordPart):
    """Sign of the protein in the images as read (+1 bright, -1 dark) and how it was found."""

    sign: Literal[-1, 1]
    how: str


class PoseSummary(RecordPart):
    """What became of poses that were allowed to move.

    The errors that the given poses seem to have had (standard deviation of each rotation and
    shift), and those to expect in the refined ones (medians); 0 where classes only followed a
    scaffold.
    """

    rounds: int
    given_angle_sd_degrees: float
    given_shift_sd_angstrom: float
    angle_error_degrees: float
    shift_error_angstrom: float


class FindingCode(StrEnum):
    """What a run can find out about its own result."""

    NO_CLASSES = "no_classes"
    NUMBER_OF_CLASSES = "number_of_classes"
    HALF_SETS_AGREE = "half_sets_agree"
    EXPECTED_ACCURACY = "expected_accuracy"
    OVERCONFIDENT = "overconfident"
    NOT_CONVERGED = "not_converged"
    COLLAPSED = "collapsed"
    RUNS_AGREE = "runs_agree"
    RUNS_DISAGREE = "runs_disagree"
    SINGLE_RUN = "single_run"
    CERTAIN_POSTERIORS = "certain_posteriors"
    UNCERTAIN_POSTERIORS = "uncertain_posteriors"
    UNCERTAIN_SIGN = "uncertain_sign"
    RANDOM_HALF_SETS = "random_half_sets"
    UNEVEN_HALF_SETS = "uneven_half_sets"
    EMPTY_CLASS = "empty_class"
    IDENTICAL_CLASSES = "identical_classes"
    UNDONE_EXPANSION = "undone_expansion"
    REGION_CUTS = "region_cuts"
    REGION_FOUND = "region_found"
    POSES_OFF = "poses_off"
    OUTLIERS = "outliers"
    GROUPS_MISFIT = "groups_misfit"
    POSES_OF_OTHERS = "poses_of_others"
    VIEWS_ALIKE = "views_alike"
    CONTRASTS_MIXED = "contrasts_mixed"
    IMAGES_BLANK = "images_blank"
    MEMORY_EXCEEDED = "memory_exceeded"
    IMAGES_CHANGED = "images_changed"


class Severity(StrEnum):
    """How much a finding speaks against the result: not, a little, or in earnest."""

    NOTE = "note"
    ADVICE = "advice"
    WARNING = "warning"


class Finding(RecordPart):
    """One judgement of a run on its result.

    Attributes:
        code: What was judged.
        severity: How much it matters.
        text: Sentences for people; advice and warnings end in what to do.
        figures: The numbers judged by, and under names that end in `threshold` what they were
            compared with. Classes, runs and operators count from 1.
    """

    code: FindingCode
    severity: Severity
    text: str
    figures: dict[str, float] = Field(default_factory=dict)


class JobRecord(Record):
    """All of job.json.

    Seconds and peak memory (GB) are by stage, seconds over all ``n_processes``: one more than
    the run was resumed, the last time after ``cycles_before``; ``cycles`` and ``objective``
    (one value a cycle) are of the best run; ``best_run`` is its number in ``runs``.
    ``verdict`` is one sentence for people; ``findings`` are the run's judgements on its
    result, ``warnings`` sentences that end in advice, logged on the way. ``cluster`` is None
    where one process did the work (on ``machine``, which otherwise directed it), ``poses`` if
    they were kept. ``n_effective_classes`` counts classes that are copies of one another once,
    and empty ones not at all; 1 where nothing was found, None in runs of older versions.
    ``n_counted`` of the ``n_particles`` count, of which alone everything is said; None where
    all do.
    ``p_value_no_classes`` bounds the probability of such a result where nothing varies,
    ``expected_accuracy`` is the fraction of particles that can be in their true class if
    classes are as found; None where the runs did not settle or the strategy cannot say, and
    ``expected_accuracy`` where no classes were found.
    ``scatter_over_noise`` is the variance of images about their class relative to that of
    noise, ``distance_over_maps`` how far they lie from the mean of the classes relative to the
    maps; posteriors allow for both; None where there are no classes. ``trials`` are the
    numbers of classes that ``--classes auto`` tried. ``n_outliers`` counts particles whose
    image hardly shows the consensus. ``n_parents`` counts the particles of a set that was
    expanded by symmetry, whose copies ``n_particles`` counts; None in other sets. ``held_out``
    holds whatever was measured on particles kept apart, by name.
    """

    remedy = CLASSIFY_AGAIN

    version: str
    command: str
    machine: Hardware
    cluster: Cluster | None = None
    seed: int
    started: str
    seconds: dict[str, float]
    peak_memory_gb: dict[str, float]
    n_processes: int = 1
    cycles_before: int = 0
    n_particles: int
    n_counted: int | None = None
    n_classes: int
    box: int
    pixel_size_angstrom: float
    focus: FocusRegion
    strategy: str
    runs: tuple[RunSummary, ...] = Field(min_length=1)
    best_run: int
    agreement: RunAgreement
    classes_found: bool
    n_effective_classes: int | None = None
    n_outliers: int | None = None
    n_parents: int | None = None
    p_value_no_classes: float | None = None
    expected_accuracy: float | None = None
    scatter_over_noise: float | None = None
    distance_over_maps: float | None = None
    trials: tuple[NumberTried, ...] = ()
    verdict: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    contrast: Contrast
    poses: PoseSummary | None = None
    cycles: int
    objective: tuple[float, ...] = Field(validation_alias=OBJECTIVE)
    objective_name: str = "objective"
    held_out: dict[str, float | str | bool | None] = Field(default_factory=dict)
