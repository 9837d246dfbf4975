"""A region that cuts what differs is called so; the one proposed instead holds all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.images import ImageReader
from cryofocus.data.volume import read_volume
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.held_out import HeldOut
from cryofocus.inference.result import ClassificationResult
from cryofocus.kernels.select import select_kernels
from cryofocus.workflows.classify.inputs import Inputs, read_inputs
from cryofocus.workflows.classify.proposed_region import judge_region, propose_region
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import FindingCode, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest

ORIGIN = (-70.0, 35.0, 17.5)
# Lies between the places of the hand, and holds neither whole.
CUTTING_SPHERE = (290.0, 210.0, 260.0, 35.0)


@pytest.fixture(scope="module")
def request_cut(small_set: SimulatedSet, ask: MakeRequest) -> ClassifyRequest:
    """Two classes in a sphere that cuts the hand."""
    return ask(small_set, focus=CUTTING_SPHERE)


@pytest.fixture(scope="module")
def inputs(request_cut: ClassifyRequest) -> Inputs:
    """Particles and the cutting sphere."""
    return read_inputs(request_cut)


@pytest.fixture(scope="module")
def result(request_cut: ClassifyRequest, inputs: Inputs) -> ClassificationResult:
    """The classes found in it."""
    classifier = FocusedClassifier(request_cut.settings, select_kernels("cpu", 2))
    return classifier.fit(inputs.particles, ImageReader(inputs.particles), inputs.mask)


def test_cut_is_said_and_the_proposal_is_taken(
    request_cut: ClassifyRequest, ask: MakeRequest, small_set: SimulatedSet, tmp_path: Path
) -> None:
    """Mask and sphere of the finding can be given as they stand; the mask ends the complaint."""
    run = classify(request_cut, tmp_path / "cut")
    (finding,) = (
        finding for finding in run.read_job().findings if finding.code is FindingCode.REGION_CUTS
    )
    assert finding.severity is Severity.WARNING
    assert finding.figures["outside_share"] > finding.figures["threshold"]
    assert finding.figures["significance"] > finding.figures["significance_threshold"]
    assert f"--mask {run.proposed_region}, which holds all of it" in finding.text
    assert finding.text in run.log.read_text()
    words = finding.text.split("--focus ")[1].split(",")
    sphere = tuple(float(word) for word in words[:4])
    assert sphere[3] == finding.figures["sphere_radius_angstrom"]
    held = read_volume(run.proposed_region)
    assert held.data.shape == read_volume(run.focus_mask).data.shape
    again = ask(small_set, focus=None, mask=run.proposed_region)
    better = classify(again, tmp_path / "again")
    assert FindingCode.REGION_CUTS not in {f.code for f in better.read_job().findings}
    assert not better.proposed_region.is_file()
    read_inputs(ask(small_set, focus=sphere))


def test_region_that_holds_all_is_not_doubted(finished: RunDirectory) -> None:
    """The sphere around all that moves has nothing to be said about."""
    codes = {finding.code for finding in finished.read_job().findings}
    assert FindingCode.REGION_CUTS not in codes
    assert not finished.proposed_region.is_file()


def test_places_are_in_the_frame_of_the_region(
    result: ClassificationResult, inputs: Inputs, request_cut: ClassifyRequest
) -> None:
    """A map's origin moves the proposed sphere, and what is said, by as much."""
    settings = request_cut.settings
    here = propose_region(result, inputs.mask, settings)
    moved = replace(inputs.mask, origin_angstrom=ORIGIN)
    there = propose_region(result, moved, settings)
    assert here is not None
    assert there is not None
    assert here.sphere_angstrom is not None
    assert there.sphere_angstrom is not None
    # They are rounded to 0.1 Å, each on its own.
    for moved_place, place, by in (
        (there.crossing_angstrom, here.crossing_angstrom, ORIGIN),
        (there.sphere_angstrom, here.sphere_angstrom, (*ORIGIN, 0.0)),
    ):
        np.testing.assert_allclose(np.subtract(moved_place, place), by, atol=0.11)


def test_without_classes_nothing_is_proposed(
    result: ClassificationResult, inputs: Inputs, request_cut: ClassifyRequest
) -> None:
    """Where half sets do not bear the classes out, their differences are noise."""
    nothing = replace(result, held_out=HeldOut((-3.0, 0.5)))
    assert propose_region(nothing, inputs.mask, request_cut.settings) is None
    assert list(judge_region(None, Path("proposed_region.mrc"))) == []


def test_strategies_of_whole_maps_have_no_rim(
    result: ClassificationResult, inputs: Inputs, request_cut: ClassifyRequest
) -> None:
    """Where whole maps are compared, nothing is cut off."""
    for strategy, expected in (("global", True), ("mask2d", True), ("subtract", False)):
        settings = request_cut.settings.model_copy(update={"strategy": strategy})
        assert (propose_region(result, inputs.mask, settings) is None) is expected


def test_sphere_that_leaves_the_box_is_not_proposed(
    result: ClassificationResult, inputs: Inputs, request_cut: ClassifyRequest
) -> None:
    """Then the mask alone is."""
    proposed = propose_region(result, inputs.mask, request_cut.settings)
    assert proposed is not None
    (finding,) = judge_region(replace(proposed, sphere_angstrom=None), Path("a b/region.mrc"))
    assert "--focus" not in finding.text
    assert "--mask 'a b/region.mrc', which holds all of it." in finding.text
    assert "sphere_radius_angstrom" not in finding.figures
