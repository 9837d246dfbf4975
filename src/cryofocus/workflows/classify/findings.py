"""What a classification found and how sure that is, judged once for log, job.json and report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cryofocus.consensus.outliers.scores import OUTLYING, count_outliers
from cryofocus.data.labels import OUTLIER_LABEL
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.formatting import format_angstrom, format_percent
from cryofocus.inference.held_out import SIGNIFICANT
from cryofocus.inference.result import ClassificationResult
from cryofocus.maths.copies import EMPTY_WEIGHT, EffectiveClasses
from cryofocus.poses.accuracy import NOTICEABLE, PoseAccuracy
from cryofocus.workflows.classify.collapse import judge_collapse
from cryofocus.workflows.classify.counted import counted
from cryofocus.workflows.classify.related_classes import RELATED, find_related_classes
from cryofocus.workflows.classify.verdict import (
    NOTABLE_OUTLIERS,
    format_p_value,
    has_settled,
    say_nothing_found,
)
from cryofocus.workflows.run.job import CERTAIN_POSTERIOR, Finding, FindingCode, Severity

# Runs that agree on fewer of the particles than these found the same only by and large, or not.
CLOSE_AGREEMENT, POOR_AGREEMENT = 0.95, 0.8
# Mean highest posteriors below these mean that some, or most particles are uncertain.
CLEAR_POSTERIOR, POOR_POSTERIOR = 0.9, 0.7
# Images may vary about their classes by so much more than noise before it is said.
LARGEST_SPREAD = 1.3
WEAK_SKEWNESS = 0.5
SMALL_HALF_SET = 0.25


@dataclass(frozen=True)
class Judgement:
    """One sentence for people, and everything that was found about the result."""

    verdict: str
    findings: tuple[Finding, ...]


def judge(
    result: ClassificationResult, particles: ParticleSet, mask: FocusMask, invert: str
) -> list[Finding]:
    """Judge a result by its numbers; `invert` says how the contrast sign was chosen."""
    return [
        *_judge_existence(result),
        *_judge_posteriors(result),
        *_judge_runs(result),
        *judge_collapse(result),
        *_judge_images(result, particles, invert),
        *_judge_outliers(result),
        *_judge_classes(result, particles, mask),
    ]


def judge_poses(accuracy: PoseAccuracy) -> Iterator[Finding]:
    """Say when images suffer from errors of their poses more than from noise."""
    angle, shift = accuracy.angle_sd_degrees, accuracy.shift_sd_angstrom
    if accuracy.is_limiting:
        errors, most = (
            f"{degrees:.1f}° and {format_angstrom(length)}"
            for degrees, length in (
                (angle, shift),
                (accuracy.most_angle_degrees, accuracy.most_shift_angstrom),
            )
        )
        yield _warn(
            FindingCode.POSES_OFF,
            f"The poses seem to be off by {errors}{'' if most == errors else f', at most {most}'} "
            "(standard deviation of each rotation and shift), which costs accuracy. Let them "
            "follow in four rounds with --refine-poses 4, or refine them beforehand (cryofocus "
            "align refine).",
            angle_sd_degrees=angle,
            shift_sd_angstrom=shift,
            excess=accuracy.excess,
            sure_excess=accuracy.sure_excess,
            most_angle_degrees=accuracy.most_angle_degrees,
            most_shift_angstrom=accuracy.most_shift_angstrom,
            threshold=NOTICEABLE,
        )


def judge_memory(peak_gb: float, bound_gb: float | None) -> Iterator[Finding]:
    """Say when the memory limit was exceeded: images and whole maps have to be in memory."""
    if bound_gb is not None and peak_gb > bound_gb:
        yield _warn(
            FindingCode.MEMORY_EXCEEDED,
            f"Memory reached {peak_gb:.2f} GB, more than the {bound_gb:.2f} GB allowed: images "
            "and maps of the whole box need it, whatever the number of particles. Maps to a "
            "coarser --map-resolution need less.",
            peak_gb=peak_gb,
            threshold=bound_gb,
        )


def judge_stacks(complaint: str | None) -> Iterator[Finding]:
    """Say when images changed during the run; see `StackWatch.complaint`."""
    if complaint is not None:
        yield _warn(FindingCode.IMAGES_CHANGED, complaint)


def _find(severity: Severity, code: FindingCode, text: str, **figures: float) -> Finding:
    return Finding(code=code, severity=severity, text=text, figures=figures)


_note, _advise, _warn = (partial(_find, severity) for severity in Severity)


def _judge_existence(result: ClassificationResult) -> Iterator[Finding]:
    """Say how many classes were tried, and what half sets say of each other's classes."""
    settled = sorted(
        (trial for trial in result.trials if trial.is_settled), key=lambda one: -one.objective
    )
    if len(settled) > 1:
        first, second = settled[:2]
        tried = f"{result.trials[0].n_classes} to {result.trials[-1].n_classes}"
        yield _note(
            FindingCode.NUMBER_OF_CLASSES,
            f"Of {tried} classes, {first.n_classes} have the largest log-posterior "
            f"({first.objective:,.0f}; next {second.n_classes} with {second.objective:,.0f}).",
            n_classes=first.n_classes,
            objective=first.objective,
            next_objective=second.objective,
        )
    if result.held_out is not None and result.classes_found:
        yield _note(
            FindingCode.HALF_SETS_AGREE,
            "Classes found in one half set explain the images of the other better than a single "
            f"structure does (p-value {format_p_value(result.held_out.p_value)}).",
            p_value=result.held_out.p_value,
            threshold=SIGNIFICANT,
        )


def _judge_posteriors(result: ClassificationResult) -> Iterator[Finding]:
    # Between copies of a class nobody can choose, and nobody need.
    merged = result.effective_classes.merge(result.counted_posteriors).max(axis=1)
    highest = float(merged.mean())
    if not result.classes_found and not has_settled(result):
        return
    if not result.classes_found:
        yield _warn(
            FindingCode.NO_CLASSES,
            f"{say_nothing_found(result)} Check the poses and the place and size of the focus "
            "region (in Å, not voxels; view.cxc shows it).",
            mean_highest_posterior=highest,
            threshold=result.guessing_posterior,
            **({} if result.held_out is None else {"p_value": result.held_out.p_value}),
        )
        return
    yield from _judge_claim(result)
    certain = float((merged >= CERTAIN_POSTERIOR).mean())
    unit = counted(result)
    text = (
        f"If the probabilities are right, {format_percent(highest)} of the {unit} are in their "
        f"true class; {format_percent(certain)} have a probability of {CERTAIN_POSTERIOR:g} or "
        "more."
    )
    figures = {"mean_highest_posterior": highest, "certain_fraction": certain}
    if highest >= CLEAR_POSTERIOR:
        yield _note(FindingCode.CERTAIN_POSTERIORS, text, **figures, threshold=CLEAR_POSTERIOR)
        return
    find, threshold = (
        (_warn, POOR_POSTERIOR) if highest < POOR_POSTERIOR else (_advise, CLEAR_POSTERIOR)
    )
    yield find(
        FindingCode.UNCERTAIN_POSTERIORS,
        f"{text} Do not take single assignments as facts: use the posteriors as weights, or keep "
        f"the certain {unit} (cryofocus select RUN --min-posterior {CERTAIN_POSTERIOR:g} "
        "-o certain.star).",
        **figures,
        threshold=threshold,
    )


def _judge_claim(result: ClassificationResult) -> Iterator[Finding]:
    """Say what such images allow, and whether they differ from the classes by more than noise."""
    possible, spread = result.expected_accuracy, result.spread
    if possible is None:
        return
    claimed = float(result.effective_classes.merge(result.counted_posteriors).max(axis=1).mean())
    figures = {"expected_accuracy": possible, "mean_highest_posterior": claimed}
    text = (
        f"With such images {format_percent(possible)} of the {counted(result)} can be put into "
        "their true class, if the classes are as found."
    )
    yield _note(FindingCode.EXPECTED_ACCURACY, text, **figures)
    if spread is not None and spread > LARGEST_SPREAD:
        yield _advise(
            FindingCode.OVERCONFIDENT,
            f"Images differ from their classes {spread:.1f} times as much as noise makes them: "
            "more varies in this region than the classes describe, such as a second part that "
            "comes and goes, density that moves, or poses that are off. The probabilities allow "
            "for that as far as it can be seen, but what the classes show may not be what you "
            "look for: compare them in the report, ask for more classes, or choose a region that "
            "holds one thing.",
            spread=spread,
            threshold=LARGEST_SPREAD,
        )


def _judge_runs(result: ClassificationResult) -> Iterator[Finding]:
    for number, run in enumerate(result.runs, start=1):
        if not run.outcome.is_converged:
            yield _warn(
                FindingCode.NOT_CONVERGED,
                f"Run {number} did not converge: {run.outcome.value}.",
                run=number,
                cycles=len(run.history),
            )
    agreement = result.comparison.mean_agreement
    if agreement is None:
        yield _advise(
            FindingCode.SINGLE_RUN,
            "A single run cannot show whether another random start would lead to the same "
            "classes. Repeat with --runs 3.",
        )
    elif result.classes_found:
        yield _judge_agreement(agreement, counted(result))


def _judge_agreement(agreement: float, unit: str) -> Finding:
    share = f"{format_percent(agreement, 1)} of the {unit} to the same class"
    if agreement < POOR_AGREEMENT:
        return _warn(
            FindingCode.RUNS_DISAGREE,
            f"The runs assign only {share}: different random starts lead to different classes, "
            "and this division is one of several that fit about equally well. Raise --runs, ask "
            f"for fewer classes, or trust only {unit} on which the runs agree (agreement.npy).",
            agreement=agreement,
            threshold=POOR_AGREEMENT,
        )
    if agreement < CLOSE_AGREEMENT:
        return _advise(
            FindingCode.RUNS_DISAGREE,
            "Independent random starts led to largely the same classes: the runs assign "
            f"{share}. Trust most the {unit} on which they agree (agreement.npy).",
            agreement=agreement,
            threshold=CLOSE_AGREEMENT,
        )
    return _note(
        FindingCode.RUNS_AGREE,
        f"Independent random starts led to the same classes: the runs assign {share}.",
        agreement=agreement,
        threshold=CLOSE_AGREEMENT,
    )


def _judge_images(
    result: ClassificationResult, particles: ParticleSet, invert: str
) -> Iterator[Finding]:
    skewness = result.consensus.skewness
    if invert == "auto" and skewness < WEAK_SKEWNESS:
        yield _warn(
            FindingCode.UNCERTAIN_SIGN,
            f"The contrast sign is uncertain (skewness {skewness:.2f} of the consensus density). "
            "Look at consensus.mrc, and if protein is dark there, force the sign with --invert.",
            skewness=skewness,
            threshold=WEAK_SKEWNESS,
        )
    has_half_sets = bool((particles.half_set > 0).all())
    if not has_half_sets and len(np.unique(particles.micrograph_of_particle)) < 2:
        yield _warn(
            FindingCode.RANDOM_HALF_SETS,
            "Half sets were drawn at random, because the table gives neither rlnRandomSubset nor "
            "several micrographs: the FSC may be too high. Give half sets of the refinement.",
        )
    smaller = float(min(np.mean(result.half_set == 1), np.mean(result.half_set == 2)))
    if smaller < SMALL_HALF_SET:
        yield _warn(
            FindingCode.UNEVEN_HALF_SETS,
            f"One half set holds only {format_percent(smaller)} of the {counted(result)}: the FSC "
            "is unreliable. Remove rlnRandomSubset from the table to have new half sets made.",
            smaller_fraction=smaller,
            threshold=SMALL_HALF_SET,
        )


def _judge_outliers(result: ClassificationResult) -> Iterator[Finding]:
    """Say when many images show no particle, or one that is broken or told wrongly."""
    if result.outlier is None:
        return
    n_outliers = count_outliers(result.outlier)
    share = n_outliers / len(result.counted_posteriors)
    if share >= NOTABLE_OUTLIERS:
        yield _advise(
            FindingCode.OUTLIERS,
            f"{n_outliers:,} {counted(result)} ({format_percent(share, 1)}) look like junk: their "
            "images do not show the consensus as the others do, and their classes mean nothing. "
            "They are noise, broken or other particles, or have a wrong pose or CTF."
            f"{_say_shares_without_junk(result)} Leave them out (cryofocus select RUN "
            f"--max-outlier {OUTLYING:g} -o clean.star; {OUTLIER_LABEL} in the table) and "
            "classify the rest again.",
            n_outliers=n_outliers,
            share=share,
            threshold=NOTABLE_OUTLIERS,
        )


def _say_shares_without_junk(result: ClassificationResult) -> str:
    """Say what junk, which is counted in the shares of the classes, makes of them."""
    if not result.classes_found or result.outlier is None or min(result.outlier) > OUTLYING:
        return ""
    merged = result.effective_classes.merge(result.counted_posteriors)
    sound = result.outlier[result.counted] <= OUTLYING
    *shares, last = (format_percent(one, 1) for one in merged[sound].mean(axis=0))
    told = f"{', '.join(shares)} and {last}"
    return f" The classes' shares count them; without them these are {told}."


def _judge_classes(
    result: ClassificationResult, particles: ParticleSet, mask: FocusMask
) -> Iterator[Finding]:
    effective = result.effective_classes
    if effective.empty:
        share = result.class_weights[list(effective.empty)].sum()
        verb = "are" if len(effective.empty) > 1 else "is"
        yield _warn(
            FindingCode.EMPTY_CLASS,
            f"{_name_classes(effective.empty)} {verb} empty ({format_percent(share, 2)} of the "
            f"{counted(result)}): the data show fewer classes than were asked for. Ignore what is "
            "empty, or ask for fewer classes.",
            n_empty=len(effective.empty),
            weight=share,
            threshold=EMPTY_WEIGHT,
        )
    if not result.classes_found:
        return
    filled = sorted(k for group in effective.groups for k in group)
    if effective.copies:
        yield _judge_copies(effective, result.merged_classes, counted(result))
    yield from _judge_symmetry(result, particles, mask, filled)


def _judge_copies(effective: EffectiveClasses, merged: tuple[int, ...], unit: str) -> Finding:
    n_left, names = len(effective), "; ".join(map(_name_classes, effective.copies)).capitalize()
    left = f"So {n_left} different classes are left."
    apart = [tuple(k for k in group if k not in merged) for group in effective.copies]
    apart = [group for group in apart if len(group) > 1]
    if apart:
        first = ",".join(str(k + 1) for k in apart[0])
        text = (
            f"{names}: copies of one another, by their maps or their {unit}, or because the "
            f"images do not tell them apart; they count as one. {left} Merge them (cryofocus "
            f"select --classes {first}), or ask for {n_left}."
        )
    else:
        text = (
            f"{names}: the same, because the images do not tell them apart. Their {unit} are "
            f"all in the first of them, whose map the others share. {left} Nothing needs to be "
            f"done; --classes {n_left} gives the same in less time."
        )
    return _warn(
        FindingCode.IDENTICAL_CLASSES,
        text,
        n_effective_classes=n_left,
        n_copies=sum(len(group) - 1 for group in effective.copies),
        n_merged=len(merged),
    )


def _name_classes(numbers: Sequence[int]) -> str:
    """Name classes, counted from 0, in words that count from 1."""
    *others, last = (str(k + 1) for k in sorted(numbers))
    return f"Classes {', '.join(others)} and {last}" if others else f"Class {last}"


def _judge_symmetry(
    result: ClassificationResult, particles: ParticleSet, mask: FocusMask, classes: list[int]
) -> Iterator[Finding]:
    """Say when classifying an expanded set has only told its units apart."""
    expansion, operators = particles.expansion, particles.derive_operators()
    if expansion is None or operators is None:
        return
    pixel_size = particles.pixel_size_angstrom
    for pair in find_related_classes(
        result.maps, classes, operators, mask.data, pixel_size, result.n_shells
    ):
        first, second = pair.first + 1, pair.second + 1
        operator = int(expansion.operators[pair.operator]) + 1
        yield _warn(
            FindingCode.UNDONE_EXPANSION,
            f"Class {second} is the image of class {first} under operator {operator} of the "
            "symmetry expansion: the same molecules are in both, seen from different units, and "
            "the classification has undone the expansion. Count them as one state, and ask for "
            "fewer classes or classify the set that was expanded.",
            first_class=first,
            second_class=second,
            operator=operator,
            quotient=pair.quotient,
            threshold=RELATED,
        )
