"""What was found and how sure it is, in the words of the run's own findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryofocus.formatting import (
    format_angstrom,
    format_count,
    format_percent,
    format_resolution,
    format_seconds,
    is_nyquist,
)
from cryofocus.report.run.results import RunResults
from cryofocus.workflows.classify.tables import ClassSummary
from cryofocus.workflows.run.job import Finding, FindingCode, JobRecord, PoseSummary, Severity

Tone = Literal["good", "fair", "poor", "plain"]
TONES: dict[Severity, Tone] = {
    Severity.NOTE: "good",
    Severity.ADVICE: "fair",
    Severity.WARNING: "poor",
}
# Half maps that agree on the first shells alone agree on where the particle is.
COARSEST_SHELL = 3
ALMOST_ALL = 0.995
ABOUT_POSTERIORS = {FindingCode.CERTAIN_POSTERIORS, FindingCode.UNCERTAIN_POSTERIORS}
ABOUT_RUNS = {FindingCode.RUNS_AGREE, FindingCode.RUNS_DISAGREE, FindingCode.SINGLE_RUN}


@dataclass(frozen=True)
class KeyFigure:
    """One number that matters, its name, a remark, and how good the run found it."""

    value: str
    name: str
    remark: str
    tone: Tone = "plain"


def headline(job: JobRecord) -> str:
    """Say what was found in one line."""
    if not job.classes_found:
        best = next(run for run in job.runs if run.run == job.best_run)
        return "No classes were found" if best.converged else "No verdict"
    n_classes = job.n_effective_classes or job.n_classes
    codes = {one.code for one in job.findings}
    bound = "At least " if FindingCode.REGION_CUTS in codes else ""
    place = "" if job.focus.kind == "whole" else " in this region"
    doubt = ", if the particle is a ball" if FindingCode.VIEWS_ALIKE in codes else ""
    found = f"{bound}{n_classes} class{'es' if n_classes != 1 else ''} found{place}{doubt}"
    n_others = max((find_other_regions(one) for one in job.findings), default=0)
    if not n_others:
        return found
    return f"{found}; {'one other region varies' if n_others == 1 else f'{n_others} others vary'}"


def verdict(job: JobRecord) -> str:
    """Give the run's verdict without what the headline says already."""
    # Both begin with the number of classes, or with that there are none.
    start, _, rest = job.verdict.partition(": ")
    is_said = start.startswith("Found ") or start == headline(job)
    return rest[:1].upper() + rest[1:] if rest and is_said else job.verdict


def find_other_regions(finding: Finding) -> int:
    """Count the regions that vary beside the one in focus, as far as a finding tells."""
    is_told = finding.code == FindingCode.REGION_FOUND
    return max(round(finding.figures.get("n_regions", 1.0)) - 1, 0) if is_told else 0


def key_figures(results: RunResults) -> list[KeyFigure]:
    """Choose the numbers a reader wants first.

    How many particles are in the right class, agreement between runs, resolution, size and time.
    Where no classes were found the first three would be figures of nothing.
    """
    job = results.job
    found = _figures_of_classes(results) if job.classes_found else _figures_of_none(job)
    return [
        *found,
        KeyFigure(
            format_count(job.n_particles),
            say_copies(job) or "particles",
            f"box {job.box} px, {job.pixel_size_angstrom:.4g} Å/px",
        ),
        KeyFigure(
            format_seconds(sum(job.seconds.values())),
            _say_total(job),
            f"peak memory {max(job.peak_memory_gb.values(), default=0.0):.1f} GB",
        ),
    ]


def _say_total(job: JobRecord) -> str:
    times = {1: "once", 2: "twice"}.get(n := job.n_processes - 1, f"{n} times")
    done = f" after {job.cycles_before} cycles" if job.cycles_before else ""
    return f"in total, resumed {times}{done}" if n else "in total"


def _figures_of_classes(results: RunResults) -> list[KeyFigure]:
    job, agreement = results.job, results.job.agreement.mean
    resolutions = [
        entry.resolution_angstrom for entry in results.classes if has_resolution(job, entry)
    ]
    return [
        KeyFigure(
            _share(results.mean_accuracy),
            f"of {unit(job)} in their true class",
            _say_possible(results),
            _tone(job, ABOUT_POSTERIORS),
        ),
        KeyFigure(
            "–" if agreement is None else format_percent(agreement, 1),
            "agreement between runs",
            "only one run was made"
            if agreement is None
            else f"{len(job.runs)} random starts, mean over pairs",
            _tone(job, ABOUT_RUNS),
        ),
        _say_resolution(job, min(resolutions, default=None)),
    ]


def _say_resolution(job: JobRecord, finest_angstrom: float | None) -> KeyFigure:
    name = "best resolution of a class"
    if finest_angstrom is None:
        return KeyFigure("–", name, "half maps never reach FSC 0.143")
    at_limit = is_nyquist(finest_angstrom, job.box, job.pixel_size_angstrom)
    limit = ": the pixels' limit (Nyquist)" if at_limit else ""
    return KeyFigure(format_angstrom(finest_angstrom), name, f"of the whole map, FSC 0.143{limit}")


def _figures_of_none(job: JobRecord) -> list[KeyFigure]:
    if job.p_value_no_classes is None:
        return []
    value = f"p = {job.p_value_no_classes:.2g}"
    return [KeyFigure(value, "no sign that anything varies", "from half sets held apart")]


def unit(job: JobRecord) -> str:
    """Name what is counted."""
    return "particles" if job.n_parents is None else "copies"


def one(job: JobRecord) -> str:
    """Name one of what is counted."""
    return "particle" if job.n_parents is None else "copy"


def say_copies(job: JobRecord) -> str:
    """Say what the rows of an expanded table are copies of, or how many rows count."""
    if job.n_counted is not None:
        return f"of which {format_count(job.n_counted)} count"
    if job.n_parents is None:
        return ""
    return f"copies of {format_count(job.n_parents)} particles"


def has_resolution(job: JobRecord, entry: ClassSummary) -> bool:
    """Tell whether half maps agree on more than that there is something in the box."""
    extent = job.box * job.pixel_size_angstrom
    return bool(entry.weight) and entry.resolution_angstrom < extent / COARSEST_SHELL


def say_resolution(job: JobRecord, entry: ClassSummary) -> str:
    """Write the resolution of a class, a dash where there is none."""
    if not has_resolution(job, entry):
        return "–"
    return format_resolution(entry.resolution_angstrom, job.box, job.pixel_size_angstrom)


def say_mean_posterior(entry: ClassSummary) -> str:
    """Write how sure the particles of a class are, a dash where it has none."""
    return f"{entry.mean_posterior:.2f}" if entry.n_particles else "–"


def _say_possible(results: RunResults) -> str:
    """Say where the estimate comes from, the other there is, and what needs no images."""
    job = results.job
    largest = max(sum(entry.weight for entry in group) for group in results.class_groups)
    chance = f"calling all the largest class {_share(largest)}"
    if job.expected_accuracy is None:
        return f"estimated from the probabilities; {chance}"
    possible = _share(job.expected_accuracy)
    return f"estimated from the probabilities; from maps and noise {possible}; {chance}"


def say_calibration(job: JobRecord) -> str:
    """Say what probabilities allow for; nothing where that was not estimated."""
    if job.scatter_over_noise is None or job.distance_over_maps is None:
        return ""
    return (
        f"Probabilities allow for images that scatter {job.scatter_over_noise:.2f} times as much "
        f"about their classes as noise does, and lie {job.distance_over_maps:.2f} times as far "
        "from the mean as the maps say."
    )


def _share(fraction: float) -> str:
    """Write a share with a decimal where it would round to all."""
    return format_percent(fraction, 1 if fraction >= ALMOST_ALL else 0)


def _tone(job: JobRecord, codes: set[FindingCode]) -> Tone:
    """Take how good a number is from the finding about it; plain if there is none."""
    tones = (TONES[finding.severity] for finding in job.findings if finding.code in codes)
    return next(tones, "plain")


def sentences(results: RunResults) -> list[str]:
    """Tell how the result came about, and what speaks for it.

    What speaks against it is among the findings.
    """
    job, best = results.job, results.best_run
    told = [] if job.poses is None else [_say_poses(job.poses)]
    if not job.classes_found:
        told.append(
            "Populations, differences and the agreement between runs are not shown: where there "
            "is nothing to find they describe noise. The maps where the search ended are among "
            "the files."
        )
    told += [finding.text for finding in job.findings if finding.severity is Severity.NOTE]
    run = (
        f"The reported classes are those of run {best.run}, the best of {len(job.runs)} by "
        f"{job.objective_name}. It"
        if len(job.runs) > 1 and job.classes_found
        else "The best run"
        if len(job.runs) > 1
        else "The run"
    )
    refined = f"; {best.refining_cycles} more refined it" if best.refining_cycles else ""
    end = f"{run} ended after {best.cycles} cycles: {best.reason.rstrip('.')}{refined}."
    return [*told, end]


def doubts(job: JobRecord) -> list[tuple[Severity, str]]:
    """List what speaks against the result, the run's own findings first, with what to do."""
    found = [(f.severity, f.text) for f in job.findings if f.severity is not Severity.NOTE]
    return [*found, *((Severity.WARNING, text) for text in job.warnings)]


def _say_poses(poses: PoseSummary) -> str:
    """Say what became of poses that were allowed to move."""
    if poses.angle_error_degrees == 0:
        return f"Classes were kept on their scaffold over {poses.rounds} rounds."
    return (
        f"Poses were refined over {poses.rounds} rounds: those given seem to have been off by "
        f"{poses.given_angle_sd_degrees:.2f}° and {format_angstrom(poses.given_shift_sd_angstrom)}"
        f" (standard deviation of each rotation and shift); {poses.angle_error_degrees:.2f}° and "
        f"{format_angstrom(poses.shift_error_angstrom)} are expected of the new ones (median)."
    )
