"""Runs of classify that ought to be independent and are not: each such group counts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.covariance.near_copies import SAME, posterior_difference
from cryofocus.inference.strategy import Start
from cryofocus.logs import get_logger
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.run.job import JobRecord

logger = get_logger(__name__)

REMEDY = (
    "Classify with --start random, another --seed and no --references for each of at least three "
    "runs."
)


@dataclass(frozen=True)
class Origin:
    """Where the best start of a run came from.

    Attributes:
        strategy: Of the run.
        n_classes: Asked for.
        start: Kind of start; None if it started from maps.
        seed: Of its random stream; None likewise.
        number: Of the start among those of the run; the other half of its random stream.
        references: Maps that it started from.
    """

    strategy: str
    n_classes: int
    start: Start | None
    seed: int | None
    number: int | None
    references: tuple[Path, ...]

    @classmethod
    def of(cls, request: ClassifyRequest, job: JobRecord) -> Origin:
        """Read it from what was asked and which start was the best."""
        settings = request.settings
        # Maps replace the first start only.
        if request.references and job.best_run == 1:
            maps = tuple(path.resolve() for path in request.references)
            return cls(settings.strategy, job.n_classes, None, None, None, maps)
        start, number = settings.resolved_start, job.best_run
        return cls(settings.strategy, job.n_classes, start, job.seed, number, ())


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is compared of a run.

    Attributes:
        name: As the user named it.
        folder: Its directory.
        origin: Where it started.
        posteriors: Where it ended.
    """

    name: str
    folder: Path
    origin: Origin
    posteriors: Float[np.ndarray, "particle n_classes"]


def find_independent(runs: Sequence[Candidate]) -> tuple[bool, ...]:
    """Tell which runs count, and warn once of all that are copies of an earlier one.

    Args:
        runs: On the same particles.

    Returns:
        For each run whether it counts: the first of each group of copies does.
    """
    group = list(range(len(runs)))
    found = []
    for (i, first), (j, second) in combinations(enumerate(runs), 2):
        if group[i] == group[j] or (why := _why(first, second)) is None:
            continue
        old, new = sorted((group[i], group[j]))
        group = [old if own == new else own for own in group]
        found.append(f"{first.name} and {second.name} {why}")
    if found:
        logger.warning(
            "runs that ought to be independent are near-copies: %s. They count once in the "
            "correlation over classes and its interval. %s",
            "; ".join(found),
            REMEDY,
        )
    # A group is named after its first run.
    return tuple(own == number for number, own in enumerate(group))


def _why(first: Candidate, second: Candidate) -> str | None:
    """Say in what two runs are alike; None if they are not."""
    for one, other in ((first, second), (second, first)):
        if any(one.folder.resolve() in path.parents for path in other.origin.references):
            return f"are not independent: {other.name} started from class maps of {one.name}"
    if first.origin == second.origin:
        if first.origin.references:
            return "started from the same maps"
        return f"had the same start and the same seed ({first.origin.seed})"
    difference = posterior_difference(
        first.posteriors.astype(np.float64), second.posteriors.astype(np.float64)
    )
    if difference < SAME:
        return f"have the same posteriors ({100 * difference:.1g} % of their uncertainty apart)"
    return None
