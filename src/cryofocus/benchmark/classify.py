"""One classification of the humanoid benchmark, and its kappa after every cycle."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Int

from cryofocus.benchmark.cells import Cell, edge_option
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import ParticleError
from cryofocus.execution.monitor import Arrays
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.maths.statistics import measure_agreement
from cryofocus.workflows.classify.request import ClassifyRequest, Sphere
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.simulate.humanoid import DESCRIPTION

_CLASS = "rlnClassNumber"
KappaByCycle = tuple[tuple[float, ...], ...]


def classify_cell(
    folder: Path, particles: Path, run: Path, cell: Cell, threads: int | None
) -> KappaByCycle:
    """Classify one set as the command line would.

    Args:
        folder: Simulated set.
        particles: Its table, or one with other poses.
        run: Run directory, replaced if it is there.
        cell: What to do.
        threads: None takes every processor this process may use.

    Returns:
        Kappa by cycle of every run, the best run first.
    """
    description = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))
    request = ClassifyRequest(
        particles=particles,
        datadir=folder,
        focus=_sphere(cell, description),
        machine=Machine(threads=threads),
        settings=ClassifierSettings(**_settings(cell)),
    )
    watch = KappaWatch(read_true_class(folder / "truth.star"), cell.n_classes)
    finished = classify(request, run, overwrite=True, progress=watch)
    return watch.by_run(first=finished.read_job().best_run - 1)


def _sphere(cell: Cell, description: dict[str, Any]) -> Sphere | None:
    """Return where the cell looks; nowhere for a strategy without a focus."""
    if not STRATEGIES[cell.strategy].needs_region:
        return None
    text = description["control_sphere" if cell.kind == "leg" else "focus_sphere"]
    x, y, z, radius = (float(number) for number in text.split(","))
    return x, y, z, cell.radius_angstrom or radius


def _settings(cell: Cell) -> dict[str, Any]:
    """Return the settings of the classification; what is not said is the strategy's default."""
    settings: dict[str, Any] = {
        "strategy": cell.strategy,
        "n_classes": cell.n_classes,
        "n_runs": cell.n_runs,
        "seed": cell.seed,
        "max_cycles": cell.max_cycles,
        "start": cell.start,
        "prior": cell.prior,
    }
    if cell.edge_angstrom is not None:
        settings[edge_option(cell.strategy)] = cell.edge_angstrom
    return settings


class KappaWatch(SilentProgress):
    """Progress of a classification that shows nothing and notes kappa after every cycle.

    Args:
        true_class: Class index of each particle, in the order of the particle table.
        n_classes: Classes searched for, at least as many as there are true ones.
    """

    def __init__(self, true_class: Int[np.ndarray, " particle"], n_classes: int) -> None:
        self._true_class = true_class
        self._n_classes = n_classes
        self._kappas: dict[int, list[float]] = defaultdict(list)

    def observe(self, arrays: Arrays) -> None:
        """Score the posteriors of the run at work, which is the last one begun."""
        run = int(arrays["n_runs"]) - 1
        found = arrays[f"run{run}_posteriors"].argmax(axis=1)
        agreement = measure_agreement(found, self._true_class, self._n_classes)
        self._kappas[run].append(agreement.kappa)

    def by_run(self, first: int) -> tuple[tuple[float, ...], ...]:
        """Kappa by cycle of every run, one of them (counted from 0) put first."""
        order = sorted(self._kappas, key=lambda run: (run != first, run))
        return tuple(tuple(self._kappas[run]) for run in order)


def read_true_class(truth: Path) -> Int[np.ndarray, " particle"]:
    """Read the true class index of each particle.

    Args:
        truth: Truth.star of a simulated set.

    Raises:
        ParticleError: When it lists no classes.
    """
    document = StarDocument.read(truth)
    block = document.block_with(_CLASS)
    if block is None:
        raise ParticleError(
            f"{truth}: has no column {_CLASS}; expected the truth.star of a simulated set. "
            "Simulate the set again."
        )
    return document.numbers(block, [_CLASS])[_CLASS].astype(np.int64) - 1
