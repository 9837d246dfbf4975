"""What a finished run directory says, read once and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cryofocus.errors import FormatError
from cryofocus.workflows.classify.tables import (
    ClassSummary,
    CycleRow,
    MoveRow,
    RunClassRow,
    fsc_block,
)
from cryofocus.workflows.fsc_table import FscCurve, read_fsc
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import JobRecord, RunSummary
from cryofocus.workflows.run.reading import CLASSIFY_AGAIN, read_numbers
from cryofocus.workflows.run.yaml_file import read_yaml


@dataclass(frozen=True)
class RunTrace:
    """Course of one run: objective, mean posterior change and class weights by cycle."""

    run: int
    cycle: Int[np.ndarray, " n_cycles"]
    objective: Float[np.ndarray, " n_cycles"]
    posterior_change: Float[np.ndarray, " n_cycles"]
    weight: Float[np.ndarray, "n_cycles n_classes"]


@dataclass(frozen=True)
class RunResults:
    """Everything the report shows, except the maps, which are read one at a time.

    ``agreement`` is None when a single run was made or the file is not there; ``fsc``, ``traces``,
    ``moves`` and ``run_classes`` are empty when their files are not there.
    """

    directory: RunDirectory
    job: JobRecord
    classes: tuple[ClassSummary, ...]
    posteriors: Float32[np.ndarray, "n n_classes"]
    agreement: Float32[np.ndarray, " n"] | None
    fsc: tuple[FscCurve, ...]
    traces: tuple[RunTrace, ...]
    settings: dict[str, str]
    moves: tuple[MoveRow, ...] = ()
    run_classes: tuple[RunClassRow, ...] = ()

    def moves_of(self, run: int) -> list[tuple[int, Int[np.ndarray, "n_classes n_classes"]]]:
        """Give the particles by class before and after every cycle of a run, with its number."""
        own = [row for row in self.moves if row.run == run]
        cycles = groupby(own, key=lambda row: row.cycle)
        return [(cycle, np.array([row.to for row in rows])) for cycle, rows in cycles]

    @cached_property
    def counted(self) -> Bool[np.ndarray, " n"]:
        """Which particles count; the others have no posteriors."""
        return np.asarray(self.posteriors.any(axis=1))

    @cached_property
    def counted_posteriors(self) -> Float32[np.ndarray, "counted n_classes"]:
        """Posteriors of the particles that count."""
        return self.posteriors if self.counted.all() else self.posteriors[self.counted]

    @property
    def max_posterior(self) -> Float32[np.ndarray, " counted"]:
        """Highest posterior of each particle that counts."""
        return np.asarray(self.counted_posteriors.max(axis=1))

    @property
    def class_index(self) -> Int[np.ndarray, " counted"]:
        """Most probable class of each particle that counts, counted from 0."""
        return np.asarray(self.counted_posteriors.argmax(axis=1))

    @property
    def class_groups(self) -> list[list[ClassSummary]]:
        """Classes that are not empty, the largest of each group first, with those it equals.

        None where no classes were found.
        """
        if not self.job.classes_found:
            return []
        groups: dict[int, list[ClassSummary]] = {}
        for entry in sorted((c for c in self.classes if c.weight), key=lambda c: -c.weight):
            # Runs of older versions do not say which classes are copies.
            groups.setdefault(entry.effective_class or -entry.class_number, []).append(entry)
        return sorted(groups.values(), key=lambda group: group[0].class_number)

    @property
    def own_classes(self) -> list[int]:
        """Numbers of the classes that are neither empty nor copies of a larger one."""
        return [first.class_number for first, *_ in self.class_groups]

    @property
    def n_filled(self) -> int:
        """Number of classes in which a particle can be; those merged into others hold none."""
        return max(int(np.count_nonzero(self.posteriors.any(axis=0))), 1)

    @property
    def mean_accuracy(self) -> float:
        """Fraction of particles in their true class, if probabilities are right; copies are one.

        That is the mean highest posterior.
        """
        group = np.array([c.effective_class or -c.class_number for c in self.classes])
        merged = [self.counted_posteriors[:, group == g].sum(axis=1) for g in dict.fromkeys(group)]
        return float(np.max(merged, axis=0).mean())

    @property
    def class_ess(self) -> float:
        """Number of classes a particle has effectively, 1 / sum of squares, averaged."""
        return float((1 / np.maximum((self.counted_posteriors**2).sum(axis=1), 1e-12)).mean())

    @property
    def best_run(self) -> RunSummary:
        """The run whose classes are reported."""
        return next(run for run in self.job.runs if run.run == self.job.best_run)


def read_results(directory: RunDirectory) -> RunResults:
    """Read a finished run directory.

    Its tables agree on the numbers of particles, classes and runs.

    Raises:
        FormatError: When the run is unfinished, or a file is missing, damaged or contradicts
            job.json.
    """
    job = directory.read_job()
    if job.best_run not in {run.run for run in job.runs}:
        raise FormatError(f"{directory.job}: best_run is {job.best_run}, which is not in runs.")
    agreement, fsc, numbers = directory.agreement, directory.fsc, range(1, job.n_classes + 1)
    has_agreement = agreement.is_file() and len(job.runs) > 1
    classes = ClassSummary.read(directory.classes)
    found = [entry.class_number for entry in classes]
    if found != [*numbers]:
        raise FormatError(
            f"{directory.classes}: classes {found}, expected 1 to {job.n_classes}. "
            f"{CLASSIFY_AGAIN}"
        )
    return RunResults(
        directory=directory,
        job=job,
        classes=classes,
        posteriors=directory.read_posteriors(job.n_particles),
        agreement=read_numbers(agreement, (job.n_particles,)) if has_agreement else None,
        fsc=read_fsc(fsc, [*map(fsc_block, numbers)]) if fsc.is_file() else (),
        traces=_read_traces(directory.convergence) if directory.convergence.is_file() else (),
        moves=MoveRow.read(directory.moves) if directory.moves.is_file() else (),
        run_classes=RunClassRow.read(directory.run_classes)
        if directory.run_classes.is_file()
        else (),
        settings=_read_settings(directory.config) if directory.config.is_file() else {},
    )


def _read_traces(path: Path) -> tuple[RunTrace, ...]:
    traces = []
    for run, rows in groupby(CycleRow.read(path), key=lambda row: row.run):
        own = list(rows)
        traces.append(
            RunTrace(
                run=run,
                cycle=np.array([row.cycle for row in own]),
                objective=np.array([row.objective for row in own]),
                posterior_change=np.array([row.posterior_change for row in own]),
                weight=np.array([row.weight for row in own]),
            )
        )
    return tuple(traces)


def _read_settings(path: Path) -> dict[str, str]:
    return dict(_flatten(read_yaml(path, CLASSIFY_AGAIN)))


def _flatten(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as pairs of a dotted name and a text, in file order."""
    if not isinstance(settings, dict):
        return [(prefix, "not set" if settings is None else str(settings))]
    return [
        pair
        for name, value in settings.items()
        for pair in _flatten(value, f"{prefix}.{name}" if prefix else str(name))
    ]
