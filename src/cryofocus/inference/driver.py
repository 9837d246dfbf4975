"""The driver of the runs: cycle after cycle until a run is over, from where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.arrays import AnyArray
from cryofocus.consensus.ground import Ground
from cryofocus.errors import FormatError
from cryofocus.execution.monitor import Advance, Monitor, noting
from cryofocus.inference.comparison import Comparison, RunPlan, State
from cryofocus.inference.cycles import (
    CycleRecord,
    Outcome,
    count_moves,
    judge,
    pack_history,
    unpack_history,
)
from cryofocus.inference.factors.outside import describe_outside
from cryofocus.inference.settings import ClassifierSettings

HISTORY = "history_"


@dataclass(frozen=True, eq=False)
class Run(Generic[State]):
    """One of the independent runs.

    Attributes:
        state: Of the strategy.
        history: The cycles that count for convergence, the first first.
    """

    state: State
    history: tuple[CycleRecord, ...] = ()

    def outcome(self, settings: ClassifierSettings) -> Outcome:
        """Say whether it is over, and how it ended."""
        limits = settings.max_cycles, settings.settled_change
        return judge(self.history, self.state.posteriors, *limits)


def prepare_comparison(
    ground: Ground,
    settings: ClassifierSettings,
    references: tuple[Float32[np.ndarray, "box box box"], ...] = (),
) -> Comparison[Any]:
    """Make the chosen strategy ready to run.

    The first run starts from the references, one map per class, if there are any.

    Raises:
        SettingError: When an option does nothing with this kind of region.
    """
    settings.require_region("mask file" if ground.mask.radius_angstrom is None else "sphere")
    plan = RunPlan(settings.least_classes, settings.resolved_start, settings.seed, references)
    options = settings.options
    options.pop("keep_all_classes", None)  # of the runs, not of the comparison
    options.pop("prior", None)  # says which record of the strategy prepares it
    if options.pop("background", "rigid") == "flexible":
        ground = replace(ground, outside=describe_outside(ground, settings.seed))
    comparison: Comparison[Any] = settings.method.prepare(ground, plan, **options)
    return comparison


def run_all(
    comparison: Comparison[State],
    settings: ClassifierSettings,
    monitor: Monitor,
    starts: Sequence[Float64[np.ndarray, "particle n_classes"]] = (),
    done: Sequence[Run[State]] = (),
) -> list[Run[State]]:
    """Finish every run, from where a checkpoint left it, or from given posteriors.

    Runs that are done need not be made again, unless a checkpoint has them.
    """
    kept = monitor.load()
    runs = unpack_runs(comparison, kept) if kept is not None else list(done)
    n_cycles = comparison.n_prior_cycles + settings.max_cycles
    for number in range(settings.n_runs):
        stage = f"run {number + 1} of {settings.n_runs}"
        with monitor.stage(stage, n_cycles, at_most=True) as advance:
            if number == len(runs):
                is_given = number < len(starts)
                runs.append(
                    Run(
                        comparison.begin(starts[number])
                        if is_given
                        else comparison.start(number, noting(advance))
                    )
                )

            def keep(run: Run[State], number: int = number) -> None:
                runs[number] = run
                monitor.save(pack_runs(comparison, runs))

            finish_run(comparison, settings, runs[number], advance, keep)
    return runs


def finish_run(
    comparison: Comparison[State],
    settings: ClassifierSettings,
    run: Run[State],
    advance: Advance,
    keep: Callable[[Run[State]], None] = lambda _: None,
) -> Run[State]:
    """Do cycles until a run is over, and have it kept after each."""
    while run.outcome(settings) is Outcome.UNFINISHED:
        run, note = _cycle(comparison, settings, run)
        keep(run)
        advance(note=note)
    return run


def _cycle(
    comparison: Comparison[State], settings: ClassifierSettings, run: Run[State]
) -> tuple[Run[State], str]:
    """Do one cycle of a run, and say in a few words what it brought."""
    state, record = comparison.step(run.state)
    if record is None:
        return Run(state, run.history), "learning the prior"
    record = replace(record, moves=count_moves(run.state.posteriors, state.posteriors))
    run = Run(state, (*run.history, record))
    if run.outcome(settings) is not Outcome.UNFINISHED:
        run = replace(run, state=comparison.finish(state))
    name = settings.method.objective
    return run, f"{name} {record.objective:.2f}, change {record.posterior_change:.4f}"


def pack_runs(comparison: Comparison[State], runs: Sequence[Run[State]]) -> dict[str, AnyArray]:
    """Name every array of every run; nothing is rounded."""
    arrays: dict[str, AnyArray] = {"n_runs": np.array(len(runs))}
    for number, run in enumerate(runs):
        history = {HISTORY + name: array for name, array in pack_history(run.history).items()}
        for name, array in (comparison.pack(run.state) | history).items():
            arrays[f"run{number}_{name}"] = array
    return arrays


def unpack_runs(comparison: Comparison[State], arrays: Mapping[str, AnyArray]) -> list[Run[State]]:
    """Return the runs that `pack_runs` packed.

    Raises:
        FormatError: When something is missing that this version of the program needs.
    """
    try:
        own = [_named(arrays, f"run{number}_") for number in range(int(arrays["n_runs"]))]
        return [
            Run(comparison.unpack(mine), unpack_history(_named(mine, HISTORY))) for mine in own
        ]
    except KeyError as error:
        raise FormatError(
            f"checkpoint: found no {error}; expected one of this version of cryofocus. Start the "
            "run afresh with --overwrite, or finish it with the version that began it."
        ) from error


def count_cycles(arrays: Mapping[str, AnyArray]) -> int:
    """Count the cycles that the packed runs have done, but for those that learn the prior."""
    return sum(len(a) for name, a in arrays.items() if name.endswith(f"{HISTORY}objective"))


def _named(arrays: Mapping[str, AnyArray], prefix: str) -> dict[str, AnyArray]:
    """Return the arrays whose names begin so, without that."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
