"""Verdict and warnings: each is said when, and only when, there is reason to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.data.images import ImageReader
from cryofocus.inference.classifier import ClassificationResult, FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import select_kernels
from cryofocus.workflows.classify.findings import describe_findings, log_findings, near_identical
from cryofocus.workflows.classify.inputs import Inputs, read_inputs
from cryofocus.workflows.classify.request import ClassifyRequest
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


def warnings(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> list[str]:
    """What is logged as a warning."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="cryofocus"):
        log_findings(result, inputs, SETTINGS)
    return caplog.messages


def with_posteriors(
    result: ClassificationResult, columns: list[np.ndarray]
) -> ClassificationResult:
    """The result with other posteriors."""
    posteriors = np.stack(columns, axis=1)
    return replace(result, posteriors=posteriors / posteriors.sum(axis=1, keepdims=True))


def test_sound_result_has_no_warnings(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    """Two different classes on which the runs agree are reported without a warning."""
    assert warnings(result, inputs, caplog) == []
    assert describe_findings(result).startswith("Found 2 classes of ")
    assert "2 independent runs agree on 100 % of them" in describe_findings(result)


def test_guessing_is_called_so(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    """Posteriors near 1/K give the verdict that nothing was found, and the advice."""
    half = np.full(len(result.posteriors), 0.5)
    flat = with_posteriors(result, [half + 0.01, half])
    assert describe_findings(flat).startswith("No classes were found: the highest posterior of a")
    assert any("no classes were found" in text for text in warnings(flat, inputs, caplog))


def test_empty_class_is_named(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    """A class of less than a percent is named with its share."""
    nothing = np.full(len(result.posteriors), 1e-4)
    sparse = with_posteriors(result, [*result.posteriors.T, nothing])
    sparse = replace(sparse, maps=(*result.maps, result.maps[0]))
    found = warnings(sparse, inputs, caplog)
    assert [text for text in found if "class 3 is empty (0.01 % of the particles)" in text]


def test_twins_are_named(result: ClassificationResult, inputs: Inputs) -> None:
    """Two classes with the same map are a pair, two different ones are not."""
    assert near_identical(result, inputs.mask.data, [0, 1]) == []
    third = with_posteriors(result, [*(result.posteriors.T / 2), result.posteriors[:, 0] / 2])
    twins = replace(third, maps=(*result.maps, result.maps[0]))
    assert near_identical(twins, inputs.mask.data, [0, 1, 2]) == [(0, 2)]


def test_runs_that_disagree_or_do_not_converge_are_named(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    """Poor agreement and a run that was cut short each give a warning with advice."""
    comparison = replace(result.comparison, pairs=((0, 1, 0.6),))
    cut = replace(result.runs[1], converged=False, reason="stopped at the limit of 3 cycles")
    poor = replace(result, comparison=comparison, runs=(result.runs[0], cut))
    found = warnings(poor, inputs, caplog)
    assert any("run 2 did not converge: stopped at the limit of 3 cycles" in t for t in found)
    assert any("the runs agree on 60 % of the particles only" in t for t in found)


def test_weak_contrast_and_poor_half_sets_are_named(
    result: ClassificationResult, inputs: Inputs, caplog: pytest.LogCaptureFixture
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
    found = warnings(
        replace(result, consensus=consensus, half_set=lopsided),
        replace(inputs, particles=particles),
        caplog,
    )
    assert [text.split(":")[0] for text in found] == [
        "the contrast sign is uncertain (skewness 0.10 of the consensus density)",
        "half sets were drawn at random, because the table gives neither rlnRandomSubset nor "
        "several micrographs",
        "one half set holds only 4 % of the particles",
    ]
