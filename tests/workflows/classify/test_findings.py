"""Verdict and warnings: each is said when, and only when, there is reason to."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.data.expansion import Expansion
from cryofocus.data.images import ImageReader
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.counting import Trial
from cryofocus.inference.cycles import Outcome
from cryofocus.inference.held_out import HeldOut
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import select_kernels
from cryofocus.poses.accuracy import PoseAccuracy
from cryofocus.workflows.classify.findings import (
    judge,
    judge_memory,
    judge_poses,
)
from cryofocus.workflows.classify.inputs import Inputs, read_inputs
from cryofocus.workflows.classify.outputs import class_rows
from cryofocus.workflows.classify.related_classes import find_identical_classes
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.tables import name_classes
from cryofocus.workflows.classify.verdict import describe_result
from cryofocus.workflows.run.job import Finding, FindingCode, Severity
from cryofocus.workflows.run.log import log_findings
from cryofocus.workflows.simulate.humanoid import SimulatedSet

SETTINGS = ClassifierSettings(n_classes=2, n_runs=2)


@pytest.fixture(scope="module")
def inputs(small_set: SimulatedSet, ask: Callable[..., ClassifyRequest]) -> Inputs:
    """Particles and mask of the small set."""
    return read_inputs(ask(small_set))


@pytest.fixture(scope="module")
def result(inputs: Inputs) -> ClassificationResult:
    """Two sound classes."""
    classifier = FocusedClassifier(SETTINGS, select_kernels("cpu", 2))
    return classifier.fit(inputs.particles, ImageReader(inputs.particles), inputs.mask)


def judged(
    result: ClassificationResult, inputs: Inputs, severity: Severity = Severity.WARNING
) -> dict[FindingCode, Finding]:
    """Findings of a severity by their code."""
    found = judge(result, inputs.particles, inputs.mask, SETTINGS.invert)
    return {finding.code: finding for finding in found if finding.severity is severity}


def with_posteriors(
    result: ClassificationResult, columns: list[np.ndarray]
) -> ClassificationResult:
    """The result with other posteriors."""
    posteriors = np.stack(columns, axis=1)
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    return replace(result, posteriors=posteriors, share_errors=None)


def test_sound_result_has_no_warnings(result: ClassificationResult, inputs: Inputs) -> None:
    """Two different classes on which the runs agree are noted to be so, without a warning."""
    assert judged(result, inputs) == judged(result, inputs, Severity.ADVICE) == {}
    notes = judged(result, inputs, Severity.NOTE)
    assert set(notes) == {
        FindingCode.CERTAIN_POSTERIORS,
        FindingCode.RUNS_AGREE,
        FindingCode.HALF_SETS_AGREE,
        FindingCode.EXPECTED_ACCURACY,
    }
    assert notes[FindingCode.HALF_SETS_AGREE].text.endswith("(p-value below 0.000001).")
    assert notes[FindingCode.RUNS_AGREE].figures == {"agreement": 1.0, "threshold": 0.95}
    assert describe_result(result).startswith("Found 2 classes: ")
    focused = describe_result(result, is_focused=True)
    assert focused.startswith("Found 2 classes in this region: ")
    assert "2 independent runs agree on 100 % of them" in describe_result(result)
    doubted = describe_result(result, is_ball=True)
    assert doubted.endswith("; all this if the particle is a ball, as the consensus is.")


def test_junk_is_counted_when_it_is_notable(result: ClassificationResult, inputs: Inputs) -> None:
    """From a hundredth of the set on, outliers are advised to be left out."""
    n = len(result.posteriors)
    score = np.where(np.arange(n) < n // 20, 5.0, 1.0)
    finding = judged(replace(result, outlier=score), inputs, Severity.ADVICE)[FindingCode.OUTLIERS]
    assert finding.text.startswith(f"{n // 20} particles (5.0 %) look like junk")
    assert "cryofocus select RUN --max-outlier 4 -o clean.star" in finding.text
    assert finding.figures["n_outliers"] == n // 20
    sound = result.posteriors[n // 20 :].mean(axis=0)
    assert f"without them these are {100 * sound[0]:.1f} % and {100 * sound[1]:.1f} %. Leave" in (
        finding.text
    )
    verdict = describe_result(replace(result, outlier=score))
    assert " of the particles, 5.0 % of which look like junk (mean highest" in verdict
    few = np.where(np.arange(n) < n // 200, 5.0, 1.0)
    for unnoted in (few, None):
        found = judged(replace(result, outlier=unnoted), inputs, Severity.ADVICE)
        assert FindingCode.OUTLIERS not in found


def test_guessing_is_called_so(result: ClassificationResult, inputs: Inputs) -> None:
    """Posteriors near 1/K give the verdict that nothing was found, and the advice."""
    half = np.full(len(result.posteriors), 0.5)
    flat = with_posteriors(result, [half + 0.01, half])
    assert describe_result(flat).startswith("No classes were found: posteriors are barely better")
    figures = judged(flat, inputs)[FindingCode.NO_CLASSES].figures
    assert figures["mean_highest_posterior"] < figures["threshold"]
    assert not judged(flat, inputs, Severity.NOTE)
    # That something varies is not denied where half sets confirm it.
    texts = [
        judged(replace(flat, held_out=held_out), inputs)[FindingCode.NO_CLASSES].text
        for held_out in (None, HeldOut((9.0, 9.0)))
    ]
    assert "no detectable difference: it" in texts[0]
    assert texts[1].startswith("Something varies within this region, as half sets confirm (p-")


def test_half_sets_overrule_posteriors(result: ClassificationResult, inputs: Inputs) -> None:
    """Certain posteriors are no classes when the half sets do not bear each other out."""
    alone = replace(result, held_out=HeldOut((-3.0, 0.5)))
    assert alone.p_value_no_classes == pytest.approx(1.0)
    assert not alone.classes_found
    assert "do not explain the images of the other" in describe_result(alone)
    assert "(p-value 1)" in judged(alone, inputs)[FindingCode.NO_CLASSES].text
    assert replace(result, held_out=HeldOut((9.0, 9.0))).classes_found
    assert replace(result, held_out=None).classes_found


def test_copies_of_an_expanded_set_are_not_called_particles(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """What is counted of a set that was expanded by symmetry are copies."""
    parent, operator = np.divmod(np.arange(len(inputs.particles)), 2)
    particles = replace(inputs.particles, expansion=Expansion(parent, operator))
    images = replace(result.consensus.images, particles=particles)
    expanded = replace(result, consensus=replace(result.consensus, images=images))
    for found, unit in ((result, "particles"), (expanded, "copies")):
        assert f" of the {unit} (mean highest" in describe_result(found)
        notes = judged(found, inputs, Severity.NOTE)
        assert f"of the {unit} are in" in notes[FindingCode.CERTAIN_POSTERIORS].text
        assert f"of the {unit} to the same" in notes[FindingCode.RUNS_AGREE].text


def test_images_that_vary_more_than_noise_are_told(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """A spread far above that of noise is advice; what images allow is said in any case."""
    wide = replace(result, expected_accuracy=0.8, spread=1.64)
    finding = judged(wide, inputs, Severity.ADVICE)[FindingCode.OVERCONFIDENT]
    assert "1.6 times as much as noise" in finding.text
    for spread in (1.1, None):
        quiet = replace(wide, spread=spread)
        assert FindingCode.OVERCONFIDENT not in judged(quiet, inputs, Severity.ADVICE)
        note = judged(quiet, inputs, Severity.NOTE)[FindingCode.EXPECTED_ACCURACY]
        assert note.figures["expected_accuracy"] == 0.8
    unknown = replace(result, expected_accuracy=None)
    assert FindingCode.EXPECTED_ACCURACY not in judged(unknown, inputs, Severity.NOTE)


def test_numbers_that_were_tried_are_told(result: ClassificationResult, inputs: Inputs) -> None:
    """The best number and the next, of those that settled."""
    trials = (
        Trial(2, 310.0, is_settled=True),
        Trial(3, 280.0, is_settled=True),
        Trial(4, 900.0, is_settled=False),
    )
    notes = judged(replace(result, trials=trials), inputs, Severity.NOTE)
    text = notes[FindingCode.NUMBER_OF_CLASSES].text
    assert text.startswith("Of 2 to 4 classes, 2 have the largest log-posterior (310; next 3 with")


@pytest.mark.parametrize(
    ("highest", "severity", "threshold"),
    [(0.8, Severity.ADVICE, 0.9), (0.6, Severity.WARNING, 0.7)],
)
def test_uncertain_posteriors_are_judged_by_their_mean(
    result: ClassificationResult,
    inputs: Inputs,
    highest: float,
    severity: Severity,
    threshold: float,
) -> None:
    """Posteriors somewhat below certainty give advice, those not far from guessing a warning."""
    first = np.where(np.arange(len(result.posteriors)) % 2, highest, 1 - highest)
    found = judged(with_posteriors(result, [first, 1 - first]), inputs, severity)
    finding = found[FindingCode.UNCERTAIN_POSTERIORS]
    assert finding.figures["mean_highest_posterior"] == pytest.approx(highest)
    assert finding.figures["threshold"] == threshold
    assert f"{100 * highest:.0f} % of the particles are in their true class" in finding.text


def test_empty_class_is_named(result: ClassificationResult, inputs: Inputs) -> None:
    """A class of less than a percent is named with its share."""
    nothing = np.full(len(result.posteriors), 1e-4)
    sparse = with_posteriors(result, [*result.posteriors.T, nothing])
    sparse = replace(sparse, maps=(*result.maps, result.maps[0]))
    finding = judged(sparse, inputs)[FindingCode.EMPTY_CLASS]
    assert finding.text.startswith("Class 3 is empty (0.01 % of the particles)")
    assert finding.figures["weight"] < finding.figures["threshold"]


def test_twins_are_named(result: ClassificationResult, inputs: Inputs) -> None:
    """Two classes with the same map are a pair, two different ones are not."""
    assert find_identical_classes(result, inputs.mask.data, [0, 1]) == []
    first, second = result.posteriors.T
    third = with_posteriors(result, [first / 2, second, first / 2])
    twins = replace(third, maps=(*result.maps, result.maps[0]))
    (pair,) = find_identical_classes(twins, inputs.mask.data, [0, 1, 2])
    assert (pair.first, pair.second) == (0, 2)
    finding = judged(twins, inputs)[FindingCode.IDENTICAL_CLASSES]
    assert finding.text.startswith("Classes 1 and 3: copies of one another")
    assert "--classes 1,3" in finding.text
    assert finding.figures == {"n_effective_classes": 2, "n_copies": 1, "n_merged": 0}
    assert describe_result(twins).startswith("Found 2 classes")
    assert "(3 were asked for: 1 is a copy of another; mean highest" in describe_result(twins)
    # Which of two copies a particle is in is no doubt about its class.
    certain = judged(twins, inputs, Severity.NOTE)[FindingCode.CERTAIN_POSTERIORS]
    plain = judged(result, inputs, Severity.NOTE)[FindingCode.CERTAIN_POSTERIORS]
    assert certain.text == plain.text


def test_merged_classes_need_nothing_more(result: ClassificationResult, inputs: Inputs) -> None:
    """A class that has already given its particles to another is named, but no work is left."""
    nothing = np.zeros(len(result.posteriors))
    merged = with_posteriors(result, [*result.posteriors.T, nothing, nothing])
    maps = (*result.maps, result.maps[0], MapEstimate.of_nothing(len(result.maps[0].full)))
    merged = replace(merged, same_images=((0, 2),), maps=maps)
    assert merged.merged_classes == (2,)
    found = judged(merged, inputs)
    finding = found[FindingCode.IDENTICAL_CLASSES]
    assert finding.text.startswith("Classes 1 and 3: the same")
    assert "select" not in finding.text
    assert finding.figures == {"n_effective_classes": 2, "n_copies": 1, "n_merged": 1}
    assert found[FindingCode.EMPTY_CLASS].text.startswith("Class 4 is empty")
    assert "(4 were asked for: 1 is a copy of another, 1 holds no" in describe_result(merged)
    merged = replace(
        merged, runs=tuple(replace(r, posteriors=merged.posteriors) for r in merged.runs)
    )
    rows = class_rows(inputs.particles, merged)
    assert name_classes(rows) == ["1", "2", "3 (counts as 1)", "4 (empty)"]
    pairs = replace(merged, same_images=((0, 2), (1, 3)))
    text = judged(pairs, inputs)[FindingCode.IDENTICAL_CLASSES].text
    assert text.startswith("Classes 1 and 3; classes 2 and 4: the same")


def test_maps_that_cannot_be_told_apart_make_copies(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """Classes with different particles but the same map count as one, and nothing is left."""
    same = replace(result, same_maps=((0, 1),))
    assert len(same.effective_classes) == 1
    assert not same.classes_found


def test_nothing_is_concluded_before_runs_settle(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """Flat posteriors of a run that was cut short are no verdict, and no advice to accept one."""
    half = np.full(len(result.posteriors), 0.5)
    cut = tuple(replace(run, outcome=Outcome.AT_THE_LIMIT) for run in result.runs)
    flat = replace(with_posteriors(result, [half + 0.01, half]), runs=cut)
    assert describe_result(flat).startswith("No verdict: the runs stopped before they settled")
    found = judged(flat, inputs)
    assert FindingCode.NO_CLASSES not in found
    assert FindingCode.NOT_CONVERGED in found


def test_runs_that_disagree_or_do_not_converge_are_named(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """Agreement that is poor or not close, and a run that was cut short, are found with advice."""
    cut = replace(result.runs[1], outcome=Outcome.AT_THE_LIMIT)
    poor = replace(
        result,
        comparison=replace(result.comparison, pairs=((0, 1, 0.6),)),
        runs=(result.runs[0], cut),
    )
    found = judged(poor, inputs)
    assert found[FindingCode.NOT_CONVERGED].figures["run"] == 2
    text = found[FindingCode.NOT_CONVERGED].text
    assert (
        text
        == "Run 2 did not converge: stopped at the limit of cycles; raise --cycles to continue."
    )
    assert found[FindingCode.RUNS_DISAGREE].text.startswith(
        "The runs assign only 60.0 % of the particles to the same class"
    )
    assert found[FindingCode.RUNS_DISAGREE].figures == {"agreement": 0.6, "threshold": 0.8}
    fair = replace(result, comparison=replace(result.comparison, pairs=((0, 1, 0.9),)))
    advice = judged(fair, inputs, Severity.ADVICE)[FindingCode.RUNS_DISAGREE]
    assert "largely the same classes" in advice.text


def test_single_run_is_advised_against(result: ClassificationResult, inputs: Inputs) -> None:
    """One run alone cannot tell whether another start would agree."""
    alone = replace(result, runs=result.runs[:1], comparison=replace(result.comparison, pairs=()))
    assert "--runs 3" in judged(alone, inputs, Severity.ADVICE)[FindingCode.SINGLE_RUN].text
    assert "a single run cannot say" in describe_result(alone)


def test_weak_contrast_and_poor_half_sets_are_named(
    result: ClassificationResult, inputs: Inputs
) -> None:
    """An uncertain sign, random half sets and lopsided half sets each give a warning."""
    consensus = replace(result.consensus, skewness=0.1)
    lopsided = np.ones(len(result.posteriors), np.int8)
    lopsided[:10] = 2
    particles = replace(
        inputs.particles,
        half_set=np.zeros(len(lopsided), np.int8),
        micrograph_of_particle=np.zeros(len(lopsided), np.int32),
    )
    found = judged(
        replace(result, consensus=consensus, half_set=lopsided),
        replace(inputs, particles=particles),
    )
    assert [finding.text.split(".")[0].split(":")[0] for finding in found.values()] == [
        "The contrast sign is uncertain (skewness 0",
        "Half sets were drawn at random, because the table gives neither rlnRandomSubset nor "
        "several micrographs",
        "One half set holds only 4 % of the particles",
    ]


def test_every_finding_is_logged_in_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """Warnings are logged as such, and the severity decides what is shown on the way."""
    found = [
        *judge_memory(2.0, 1.0),
        *judge_poses(PoseAccuracy(1.0, 2.0, 5.0, 4.0, 1.2, 2.4, 3.0)),
    ]
    note = found[0].model_copy(update={"severity": Severity.NOTE, "text": "All is well."})
    with caplog.at_level(logging.INFO, logger="cryofocus"):
        log_findings([*found, note])
    assert caplog.messages == [*(finding.text for finding in found), note.text]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert all(math.isfinite(value) for finding in found for value in finding.figures.values())
    assert [
        *judge_memory(2.0, None),
        *judge_poses(PoseAccuracy(1.0, 2.0, 5.0, 1.5, 2.0, 4.0, 3.0)),
    ] == []


def test_a_run_that_collapsed_is_named(result: ClassificationResult, inputs: Inputs) -> None:
    """Nearly all particles in one class are no division; as many in a class that is found are."""
    few = np.arange(len(result.posteriors)) < 0.03 * len(result.posteriors)
    unsure = np.where(few, 0.6, 0.01)
    collapsed = with_posteriors(result, [1 - unsure, unsure])
    last = replace(result.runs[1], posteriors=collapsed.posteriors)
    collapsed = replace(collapsed, runs=(result.runs[0], last))
    collapsed = replace(collapsed, comparison=replace(result.comparison, best=1))
    assert not collapsed.classes_found
    finding = judged(collapsed, inputs)[FindingCode.COLLAPSED]
    assert finding.figures["run"] == 2
    assert finding.text.startswith(f"Run 2 collapsed: {100 * finding.figures['weight']:.1f} %")
    assert "the best run collapsed, 97 %" in describe_result(replace(collapsed, held_out=None))
    assert FindingCode.COLLAPSED not in judged(result, inputs)
