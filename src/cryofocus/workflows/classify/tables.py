"""The tables of a classification's run directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryofocus.workflows.run.reading import CLASSIFY_AGAIN
from cryofocus.workflows.run.record import Row


def fsc_block(class_number: int) -> str:
    """Name the block of fsc.star that holds the curve of a class, counted from 1."""
    return f"class_{class_number:03d}"


class ClassSummary(Row):
    """One class: a row of classes.csv.

    Attributes:
        class_number: From 1.
        n_particles: Particles of which it is the most probable class.
        weight: Share of all particles, summed over posteriors.
        resolution_angstrom: Where the half maps reach FSC 0.143.
        mean_posterior: Of these particles.
        run_spread: Standard deviation of the weight over the runs; None for a single run.
        share_error: Standard error of the weight as the share of the population that the particles
            were drawn from; None where the strategy cannot say, or in runs of older versions.
        effective_class: From 1; classes that are copies of one another share it. None for an empty
            class.
    """

    remedy = CLASSIFY_AGAIN
    columns: ClassVar = {
        "class_number": "class",
        "n_particles": "particles",
        "run_spread": "fraction_of_run_spread",
    }

    class_number: int
    n_particles: int
    weight: float
    resolution_angstrom: float
    mean_posterior: float
    run_spread: float | None
    effective_class: int | None = None
    share_error: float | None = None


def name_classes(classes: Sequence[ClassSummary]) -> list[str]:
    """Name every class by its number, and say which one counts as another, or is empty."""
    leaders: dict[int, int] = {}
    for entry in sorted(classes, key=lambda one: -one.weight):
        if entry.effective_class is not None:
            leaders.setdefault(entry.effective_class, entry.class_number)
    names = []
    for entry in classes:
        leader = leaders.get(entry.effective_class or 0)
        note = " (empty)" if leader is None else f" (counts as {leader})"
        names.append(f"{entry.class_number}{'' if leader == entry.class_number else note}")
    return names


class CycleRow(Row):
    """One cycle of one run: a row of convergence.csv.

    Attributes:
        run: From 1.
        cycle: From 1.
        objective: What the strategy maximises.
        posterior_change: Mean change of the posteriors by this cycle.
        weight: Of the classes, numbered as in the best run at its end.
    """

    remedy = CLASSIFY_AGAIN
    former: ClassVar = {"objective": "log_likelihood"}

    run: int
    cycle: int
    objective: float
    posterior_change: float
    weight: tuple[float, ...]


class MoveRow(Row):
    """Where one class's particles went in one cycle of one run: a row of moves.csv.

    Classes are numbered as in the best run at its end.

    Attributes:
        run: From 1.
        cycle: From 1.
        from_class: Most probable class of these particles before the cycle.
        to: How many of them have each class after it.
    """

    remedy = CLASSIFY_AGAIN

    run: int
    cycle: int
    from_class: int
    to: tuple[int, ...]


class RunClassRow(Row):
    """Where one class of one run is in the reported classes: a row of run_classes.csv.

    Attributes:
        run: From 1.
        class_number: Class of the run, numbered by the reported class it was matched to.
        reported: How many of its particles have each reported class.
    """

    remedy = CLASSIFY_AGAIN
    columns: ClassVar = {"class_number": "class"}

    run: int
    class_number: int
    reported: tuple[int, ...]
