"""The job record of a finished classification: numbers for programs, a verdict for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.outliers.scores import count_outliers
from cryofocus.data.mask import FocusMask
from cryofocus.errors import in_words
from cryofocus.inference.result import ClassificationResult
from cryofocus.version import __version__
from cryofocus.workflows.classify.findings import Judgement
from cryofocus.workflows.classify.inputs import Inputs
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.rounds import Round
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.run.job import (
    Cluster,
    Contrast,
    FocusRegion,
    Hardware,
    JobRecord,
    NumberTried,
    PairAgreement,
    PoseSummary,
    RunAgreement,
    RunSummary,
)


@dataclass(frozen=True)
class Circumstances:
    """How, when and on which workers the run was made, and what was logged as a warning."""

    command: str
    started: str
    clock: StageClock
    hardware: Hardware
    warnings: tuple[str, ...]
    cluster: Cluster | None = None
    cycles_before: int = 0


def compose_record(
    request: ClassifyRequest,
    inputs: Inputs,
    result: ClassificationResult,
    last: Round,
    judgement: Judgement,
    circumstances: Circumstances,
) -> JobRecord:
    """Compose job.json.

    Its objective by cycle is that of the best run.
    """
    clock, expansion = circumstances.clock.whole(), inputs.particles.expansion
    best = result.runs[result.comparison.best]
    trace = tuple(record.objective for record in best.history)
    said = {in_words(finding.text) for finding in judgement.findings}  # as the log has them
    return JobRecord(
        version=__version__,
        command=circumstances.command,
        machine=circumstances.hardware,
        cluster=circumstances.cluster,
        seed=request.settings.seed,
        started=circumstances.started,
        seconds=clock.seconds,
        peak_memory_gb=clock.peak_memory_gb,
        n_processes=clock.n_processes,
        cycles_before=circumstances.cycles_before,
        n_particles=len(inputs.particles),
        n_counted=None if result.counted.all() else int(result.counted.sum()),
        n_classes=len(result.maps),
        box=inputs.particles.box,
        pixel_size_angstrom=inputs.particles.pixel_size_angstrom,
        focus=_focus(inputs.mask),
        strategy=request.settings.strategy,
        runs=_runs(result),
        best_run=result.comparison.best + 1,
        agreement=RunAgreement(
            mean=result.comparison.mean_agreement,
            per_pair=tuple(
                PairAgreement(first=first + 1, second=second + 1, agreement=fraction)
                for first, second, fraction in result.comparison.pairs
            ),
        ),
        classes_found=result.classes_found,
        n_effective_classes=len(result.effective_classes) if result.classes_found else 1,
        n_outliers=None if result.outlier is None else count_outliers(result.outlier),
        n_parents=None if expansion is None else expansion.n_parents,
        p_value_no_classes=result.p_value_no_classes,
        expected_accuracy=result.expected_accuracy if result.classes_found else None,
        scatter_over_noise=result.spread,
        distance_over_maps=result.gain,
        trials=tuple(
            NumberTried(
                n_classes=trial.n_classes,
                objective=trial.objective,
                converged=trial.is_settled,
            )
            for trial in result.trials
        ),
        verdict=judgement.verdict,
        findings=judgement.findings,
        warnings=tuple(text for text in circumstances.warnings if text not in said),
        contrast=_contrast(request.settings.invert, result.consensus),
        poses=_poses(last),
        cycles=len(trace),
        objective=trace,
        objective_name=request.settings.method.objective,
    )


def _poses(last: Round) -> PoseSummary | None:
    if last.is_only:
        return None
    angle_error, shift_error = np.median(last.errors, axis=0)
    return PoseSummary(
        rounds=last.number + 1,
        given_angle_sd_degrees=float(np.degrees(last.widths[0])),
        given_shift_sd_angstrom=last.widths[1],
        angle_error_degrees=float(angle_error),
        shift_error_angstrom=float(shift_error),
    )


def _focus(mask: FocusMask) -> FocusRegion:
    if mask.path is not None:
        return FocusRegion(kind="mask", path=str(mask.path))
    return FocusRegion(
        kind="whole" if mask.radius_angstrom is None else "sphere",
        centre_angstrom=mask.centre_angstrom,
        radius_angstrom=mask.radius_angstrom,
    )


def _runs(result: ClassificationResult) -> tuple[RunSummary, ...]:
    """Summarise the runs; a run's random stream follows from the seed and its number."""
    best = result.comparison.best
    same = {frozenset(pair): share for *pair, share in result.comparison.pairs}
    return tuple(
        RunSummary(
            run=index + 1,
            seed=run.seed[0],
            cycles=len(run.history),
            refining_cycles=run.n_refining_cycles,
            objective=run.history[-1].objective,
            converged=run.outcome.is_converged,
            reason=run.outcome.value,
            agreement_with_best=same.get(frozenset({index, best}), 1.0),
        )
        for index, run in enumerate(result.runs)
    )


def _contrast(invert: str, consensus: Consensus) -> Contrast:
    if invert == "auto":
        how = f"found from the consensus density (skewness {consensus.skewness:.2f})"
    else:
        how = f"given as invert = {invert}"
    return Contrast(sign=1 if consensus.images.treatment.sign > 0 else -1, how=how)
