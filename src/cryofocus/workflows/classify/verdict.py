"""What a classification found, in one sentence."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.outliers.scores import count_outliers
from cryofocus.formatting import format_count, format_percent
from cryofocus.inference.held_out import SIGNIFICANT
from cryofocus.inference.result import ClassificationResult
from cryofocus.workflows.classify.collapse import has_collapsed, largest_weight
from cryofocus.workflows.classify.counted import counted

# Of normal images, one in ten thousand is called an outlier.
NOTABLE_OUTLIERS = 0.01
# Chances below this are not told apart.
SMALLEST_TOLD = 1e-6


# Said where the consensus looks alike from all sides.
IF_A_BALL = "if the particle is a ball, as the consensus is"


def describe_result(
    result: ClassificationResult,
    *,
    is_focused: bool = False,
    is_cut: bool = False,
    is_ball: bool = False,
) -> str:
    """Say in one sentence what was found and how sure it is.

    Args:
        result: What was found.
        is_focused: Whether only a region was compared, so that others may vary as well.
        is_cut: Whether the region in focus cuts what differs, so that there may be more.
        is_ball: Whether the consensus looks alike from all sides, as with wrong poses.
    """
    if result.classes_found:
        place = " in this region" if is_focused else ""
        found = _describe_classes(result, "at least " if is_cut else "", place)
        return f"{found.removesuffix('.')}; all this {IF_A_BALL}." if is_ball else found
    highest, weights = result.mean_highest_posterior, result.class_weights
    if not has_settled(result):
        return (
            "No verdict: the runs stopped before they settled, and posteriors are barely better "
            f"than chance so far (mean highest probability {highest:.2f})."
        )
    if result.held_out is not None and result.held_out.p_value > SIGNIFICANT:
        return (
            "No classes were found: classes of one half set do not explain the images of the "
            "other better than a single structure does (p-value "
            f"{format_p_value(result.held_out.p_value)}). Differences between these maps are "
            "noise, or of a state too rare or too small for so few particles."
        )
    best = result.runs[result.comparison.best]
    if has_collapsed(result, best):
        share = format_percent(largest_weight(result, best))
        return f"No classes were found: the best run collapsed, {share} are in one class."
    return (
        "No classes were found: posteriors are barely better than chance (mean highest "
        f"probability {highest:.2f}; calling every particle the largest class would give "
        f"{weights.max():.2f}), so differences between these maps are noise, or so small that "
        f"{counted(result)} cannot be told apart."
    )


def _describe_classes(result: ClassificationResult, bound: str, place: str) -> str:
    weights, effective = result.class_weights, result.effective_classes
    merged = effective.merge(result.counted_posteriors)
    *shares, last = map(format_percent, merged.mean(axis=0))
    highest = float(merged.max(axis=1).mean())
    n_copies = sum(len(group) - 1 for group in effective.copies)
    n_empty = len(effective.empty)
    copies = "1 is a copy of another" if n_copies == 1 else f"{n_copies} are copies of others"
    unit = counted(result)
    of_them = unit if result.counted.all() else f"{format_count(len(merged))} {unit} that count"
    empty = f"1 holds no {unit}" if n_empty == 1 else f"{n_empty} hold no {unit}"
    parts = ", ".join([copies] * bool(n_copies) + [empty] * bool(n_empty))
    fewer = f"{len(weights)} were asked for: {parts}; " if parts else ""
    agreement = result.comparison.mean_agreement
    runs = (
        "a single run cannot say how reproducible this is"
        if agreement is None
        else f"{len(result.runs)} independent runs agree on {format_percent(agreement, 1)} of them"
    )
    outlier = result.outlier
    junk_share = 0.0 if outlier is None else count_outliers(outlier) / len(merged)
    junk = f", {format_percent(junk_share, 1)} of which look like junk"
    return (
        f"Found {bound}{len(effective)} classes{place}: {', '.join(shares)} and {last} of the "
        f"{of_them}{junk if junk_share >= NOTABLE_OUTLIERS else ''}"
        f" ({fewer}mean highest probability {highest:.2f}); {runs}."
    )


def has_settled(result: ClassificationResult) -> bool:
    """Whether the best run went on until nothing changed."""
    return result.runs[result.comparison.best].outcome.is_converged


def format_p_value(p_value: float) -> str:
    """Write a p-value with two digits, or as below the smallest that is told."""
    shown = np.format_float_positional(max(p_value, SMALLEST_TOLD), 2, fractional=False, trim="-")
    return f"below {shown}" if p_value < SMALLEST_TOLD else shown


def say_nothing_found(result: ClassificationResult) -> str:
    """Say whether nothing varies, or something that does not sort the particles."""
    held_out, unit = result.held_out, counted(result)
    chance = "" if held_out is None else f" (p-value {format_p_value(held_out.p_value)})"
    if held_out is not None and held_out.p_value <= SIGNIFICANT:
        return (
            f"Something varies within this region, as half sets confirm{chance}, but single "
            "images do not tell which particle is in which class: ask for fewer classes "
            "(--classes auto tries), or focus on all of what moves (cryofocus variance shows it)."
        )
    return (
        f"Within this region the {unit} show no detectable difference{chance}: it does not "
        f"vary, or {format_count(len(result.counted_posteriors))} {unit} are too few to show it; "
        "small regions and noisy images need more."
    )
