"""One classification of the humanoid benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cryofocus.benchmark.cells import Cell, edge_option
from cryofocus.benchmark.convergence import KappaWatch, read_true_class
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.workflows.classify.request import ClassifyRequest, Sphere
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.simulate.humanoid import DESCRIPTION

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
    }
    if cell.edge_angstrom is not None:
        settings[edge_option(cell.strategy)] = cell.edge_angstrom
    return settings
