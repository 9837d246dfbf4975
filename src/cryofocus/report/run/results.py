"""What a finished run directory says, read once and checked."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from jaxtyping import Float, Float32, Int

from cryofocus.arrays import AnyArray
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import FormatError
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import JobRecord, RunSummary

Read = TypeVar("Read")


@dataclass(frozen=True)
class ClassSummary:
    """One row of classes.csv.

    ``weight`` is the share of all particles, ``run_spread`` the standard deviation of that share
    over the runs (NaN for a single run), ``resolution_angstrom`` where the half maps reach
    FSC 0.143.
    """

    class_number: int
    n_particles: int
    weight: float
    resolution_angstrom: float
    mean_posterior: float
    run_spread: float


@dataclass(frozen=True)
class FscCurve:
    """Fourier shell correlation of the half maps of a class against spatial frequency (1/Å)."""

    class_number: int
    spatial_frequency: Float[np.ndarray, " n_shells"]
    fsc: Float[np.ndarray, " n_shells"]


@dataclass(frozen=True)
class RunTrace:
    """Course of one run: log-likelihood and mean posterior change by cycle."""

    run: int
    cycle: Int[np.ndarray, " n_cycles"]
    log_likelihood: Float[np.ndarray, " n_cycles"]
    posterior_change: Float[np.ndarray, " n_cycles"]


@dataclass(frozen=True)
class RunResults:
    """Everything the report shows, except the maps, which are read one at a time.

    ``agreement`` is None when a single run was made or the file is not there; ``fsc`` and
    ``traces`` are empty when their files are not there.
    """

    directory: RunDirectory
    job: JobRecord
    classes: tuple[ClassSummary, ...]
    posteriors: Float32[np.ndarray, "n n_classes"]
    agreement: Float32[np.ndarray, " n"] | None
    fsc: tuple[FscCurve, ...]
    traces: tuple[RunTrace, ...]
    settings: dict[str, str]

    @property
    def max_posterior(self) -> Float32[np.ndarray, " n"]:
        """Highest posterior of each particle."""
        return np.asarray(self.posteriors.max(axis=1))

    @property
    def class_index(self) -> Int[np.ndarray, " n"]:
        """Most probable class of each particle, counted from 0."""
        return np.asarray(self.posteriors.argmax(axis=1))

    @property
    def best_run(self) -> RunSummary:
        """The run whose classes are reported."""
        return next(run for run in self.job.runs if run.run == self.job.best_run)


def read_results(directory: RunDirectory) -> RunResults:
    """Read a finished run directory.

    Args:
        directory: From `RunDirectory.open`.

    Returns:
        Tables that agree with each other on the numbers of particles, classes and runs.

    Raises:
        FormatError: When the run is unfinished, or a file is missing, damaged or contradicts
            job.json.
    """
    job = directory.read_job()
    if job.best_run not in {run.run for run in job.runs}:
        raise FormatError(f"{directory.job}: best_run is {job.best_run}, which is not in runs.")
    shape = (job.n_particles, job.n_classes)
    agreement = directory.agreement
    has_agreement = agreement.is_file() and len(job.runs) > 1
    return RunResults(
        directory=directory,
        job=job,
        classes=_read_checked(directory.classes, lambda path: _read_classes(path, job.n_classes)),
        posteriors=_read_checked(
            directory.posteriors, lambda path: _read_probabilities(path, shape)
        ),
        agreement=_read_checked(agreement, lambda path: _read_probabilities(path, shape[:1]))
        if has_agreement
        else None,
        fsc=_read_fsc(directory.fsc, job.n_classes) if directory.fsc.is_file() else (),
        traces=_read_checked(directory.convergence, _read_traces)
        if directory.convergence.is_file()
        else (),
        settings=_read_checked(directory.config, _read_settings)
        if directory.config.is_file()
        else {},
    )


def _read_checked(path: Path, read: Callable[[Path], Read]) -> Read:
    """Read a file of the run directory and say which one is missing or damaged."""
    try:
        return read(path)
    except FileNotFoundError as error:
        raise FormatError(
            f"{path}: missing. Finish the run with cryofocus classify --resume."
        ) from error
    except (OSError, ValueError, KeyError, EOFError, yaml.YAMLError) as error:
        raise FormatError(
            f"{path}: damaged or changed by hand ({error}). Run the classification again with "
            "--overwrite."
        ) from error


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _read_classes(path: Path, n_classes: int) -> tuple[ClassSummary, ...]:
    classes = tuple(
        ClassSummary(
            class_number=int(row["class"]),
            n_particles=int(row["particles"]),
            weight=float(row["weight"]),
            resolution_angstrom=float(row["resolution_angstrom"]),
            mean_posterior=float(row["mean_posterior"]),
            run_spread=float(row["fraction_of_run_spread"] or math.nan),
        )
        for row in _read_rows(path)
    )
    numbers = [entry.class_number for entry in classes]
    if numbers != list(range(1, n_classes + 1)):
        raise ValueError(f"classes {numbers}, expected 1 to {n_classes}")
    return classes


def _read_probabilities(path: Path, shape: tuple[int, ...]) -> AnyArray:
    array = np.load(path, allow_pickle=False)
    if array.shape != shape:
        raise ValueError(f"shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError("some values are not finite")
    return np.asarray(array, dtype=np.float32)


def _read_fsc(path: Path, n_classes: int) -> tuple[FscCurve, ...]:
    document = StarDocument.read(path)
    labels = ("rlnResolution", "rlnFourierShellCorrelation")
    curves = []
    for number in range(1, n_classes + 1):
        block = document.block(f"class_{number:03d}")
        missing = set(labels) - set(block.labels)
        if missing:
            raise FormatError(f"{path}: data_{block.name} lacks {', '.join(sorted(missing))}.")
        columns = document.numbers(block, labels)
        curves.append(FscCurve(number, columns[labels[0]], columns[labels[1]]))
    return tuple(curves)


def _read_traces(path: Path) -> tuple[RunTrace, ...]:
    rows = _read_rows(path)
    traces = []
    for run in sorted({int(row["run"]) for row in rows}):
        own = [row for row in rows if int(row["run"]) == run]
        traces.append(
            RunTrace(
                run=run,
                cycle=np.array([int(row["cycle"]) for row in own]),
                log_likelihood=np.array([float(row["log_likelihood"]) for row in own]),
                posterior_change=np.array([float(row["posterior_change"]) for row in own]),
            )
        )
    return tuple(traces)


def _read_settings(path: Path) -> dict[str, str]:
    return dict(_flatten(yaml.safe_load(path.read_text(encoding="utf-8"))))


def _flatten(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as pairs of a dotted name and a text, in file order."""
    if not isinstance(settings, dict):
        return [(prefix, "not set" if settings is None else str(settings))]
    return [
        pair
        for name, value in settings.items()
        for pair in _flatten(value, f"{prefix}.{name}" if prefix else str(name))
    ]
