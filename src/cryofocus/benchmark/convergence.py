"""Kappa after every cycle of a run, on data whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.star.document import StarDocument
from cryofocus.errors import ParticleError
from cryofocus.execution.monitor import Arrays
from cryofocus.maths.statistics import measure_agreement
from cryofocus.workflows.machine.progress import SilentProgress

_CLASS = "rlnClassNumber"


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
            "Simulate the set anew."
        )
    return document.numbers(block, [_CLASS])[_CLASS].astype(np.int64) - 1
