"""Groups are named as the table names them, those alike together."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfit import Fault, Kind, Misfit
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.classify.judge_groups import judge_contrasts, judge_misfits
from cryofocus.workflows.run.job import FindingCode, Severity
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
