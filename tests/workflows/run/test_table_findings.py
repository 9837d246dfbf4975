"""Groups are named as the table names them, those alike together."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfits.alternatives import Fault, Kind
from cryofocus.consensus.misfits.misfit import Misfit
from cryofocus.consensus.misfits.roundness import Roundness
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.run.job import FindingCode, Severity
from cryofocus.workflows.run.table_findings import (
    judge_blanks,
    judge_contrasts,
    judge_misfits,
    judge_views,
)
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from samples import make_particles


def misfit(kind: Kind, group: int, fault: Fault, factor: float) -> Misfit:
    """One of no particular gain."""
    return Misfit(kind, group, fault, factor, 80.0, 100)


def test_nothing_wrong_is_nothing_said() -> None:
    """There is no finding without a misfit."""
    assert list(judge_misfits((), make_particles(4, 8, np.random.default_rng(0)))) == []


def test_optics_groups_alike_are_named_together() -> None:
    """Two groups with one factor share a clause; another fault has its own."""
    rng = np.random.default_rng(0)
    microscope = make_particles(1, 8, rng).optics[0].microscope
    particles = make_particles(9, 8, rng, microscopes=(microscope,) * 3)
    found = [
        misfit("optics group", 2, "defocus", 0.71),
        misfit("optics group", 0, "defocus", 0.71),
        misfit("optics group", 1, "pixel size", 1.05),
    ]
    (finding,) = judge_misfits(found, particles)
    assert finding.code is FindingCode.GROUPS_MISFIT
    assert finding.severity is Severity.WARNING
    assert (
        "optics groups 1 (group1), 3 (group3) with 0.71 times the defocus of the table; optics "
        "group 2 (group2) with 1.05 times the pixel size of the table"
    ) in finding.text
    assert finding.text.endswith("Correct the table, or leave these images out.")  # any command
    assert finding.figures["n_groups"] == 3


def test_micrographs_have_their_names_and_not_all_are_listed(small_set: SimulatedSet) -> None:
    """Names are those of the table; beyond five, they are counted."""
    particles = ParticleSet.read(small_set.directory / "particles.star")
    micrographs = particles.source.columns().micrographs
    assert micrographs is not None
    (finding,) = judge_misfits([misfit("micrograph", 1, "defocus", 0.8)], particles)
    assert f"micrograph {micrographs.texts[1]} with 0.8 times" in finding.text
    many = [misfit("micrograph", 0, "defocus", 0.8)] * 7
    assert " and 2 more with 0.8 times" in next(judge_misfits(many, particles)).text
    (whole,) = judge_misfits([misfit("set", 0, "defocus", 10.0)], particles)
    assert "all images, or many of them, with 10 times the defocus" in whole.text


@pytest.mark.parametrize(
    ("fault", "factor", "said"),
    [
        (
            "shift",
            4.0,
            "4 times the shift of the table (factors are rough; they may be in",
        ),
        ("shift", 0.25, "they may be in Å, but called pixels"),
        ("shift", -1.0, "shifts of the opposite sign"),
        (
            "defocus angle",
            57.2958,
            "with 57.3 times the defocus angle of the table",
        ),
        ("astigmatism", -1.0, "the angle may count from another axis"),
        (
            "pixel size",
            2.0,
            "it may be that of the movie or the micrograph, and",
        ),
        ("defocus", -1.0, "their contrast may be inverted"),
        ("defocus", 1.4, "a pixel size off by 5 % looks like a defocus off by 10 %"),
    ],
)
def test_what_a_factor_may_come_from_is_said(fault: Fault, factor: float, said: str) -> None:
    """Of particles with pixels of 4 Å."""
    particles = make_particles(4, 8, np.random.default_rng(0))
    (finding,) = judge_misfits([misfit("set", 0, fault, factor)], particles)
    assert said in finding.text


def test_images_of_other_particles_have_a_finding_of_their_own() -> None:
    """No number would be right for them."""
    particles = make_particles(4, 8, np.random.default_rng(0))
    found = [misfit("optics group", 0, "pose", 1.0), misfit("set", 0, "shift", 4.0)]
    numbers, poses = judge_misfits(found, particles)
    assert (numbers.code, poses.code) == (FindingCode.GROUPS_MISFIT, FindingCode.POSES_OF_OTHERS)
    assert poses.text.startswith(
        "Optics group 1 (group1): the images show the consensus at the poses of other particles"
    )
    assert "rows or image numbers in another order" in poses.text


def test_a_ball_is_said_to_be_one() -> None:
    """And what has sides is not."""
    assert list(judge_views(Roundness(0.5, 0.6, 1e4))) == []
    (finding,) = judge_views(Roundness(0.001, 0.1, 1e4))
    assert finding.code is FindingCode.VIEWS_ALIKE
    assert finding.text.startswith("The consensus is a ball: it looks alike from all sides")


def test_inverted_images_are_counted_and_placed() -> None:
    """Images that show the negative are found among others; noise alone shows neither."""
    rng, n = np.random.default_rng(2), 600
    microscope = make_particles(1, 8, rng).optics[0].microscope
    particles = make_particles(n, 8, rng, microscopes=(microscope,) * 3)
    information = np.full((n, 2), 40.0)
    noise = rng.normal(0, np.sqrt(information))
    rest = np.ones((4, n, 2))

    def found(contrast: np.ndarray) -> list[str]:
        linear = contrast[:, None] * information + noise
        match = ImageMatch(rest[0], linear, information, *rest)
        return [finding.text for finding in judge_contrasts(match, particles)]

    assert found(np.ones(n)) == found(np.zeros(n)) == []
    of_second = np.flatnonzero(particles.optics_of_particle == 1)[:7]
    contrast = np.ones(n)
    contrast[of_second] = -1
    (text,) = found(contrast)
    assert text.startswith("7 images show the particle with inverted contrast")
    assert "(optics groups: 2)" in text


def test_images_without_variance_are_named_by_their_rows() -> None:
    """Of nothing, what is left beside the consensus is the consensus; noise alone is something."""
    n_coefficients, quadratic = np.full((9, 2), 100.0), np.full((9, 2), 40.0)
    power = n_coefficients + quadratic
    noise = ImageMatch(n_coefficients, np.zeros((9, 2)), quadratic, power, *[quadratic] * 3)
    assert list(judge_blanks(noise)) == []
    power = np.where(np.arange(9)[:, None] < 7, quadratic, power)
    blank = ImageMatch(n_coefficients, np.zeros((9, 2)), quadratic, power, *[quadratic] * 3)
    (finding,) = judge_blanks(blank)
    assert finding.code is FindingCode.IMAGES_BLANK
    assert finding.text.startswith(
        "7 images have no variance (rows 1, 2, 3, 4, 5 and 2 more of the table)"
    )
    uncounted = ImageMatch(*[np.zeros((9, 2))] * 7)
    assert list(judge_blanks(uncounted)) == []
