"""Classifications whose poses follow: better classes, poses kept, resumed to the same result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import write_volume
from cryofocus.errors import Interrupted
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.rotations import euler_from_rotation, geodesic_degrees
from cryofocus.workflows.align.combine import align_combine
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import FindingCode
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from stopping import stopping_progress

Ask = Callable[..., ClassifyRequest]
ANGLE_SD_DEGREES, SHIFT_SD_ANGSTROM = 8.0, 20.0


@dataclass(frozen=True)
class Perturbed:
    """A simulated set, and a table of it whose poses are off."""

    simulated: SimulatedSet
    table: Path

    def errors(self, table: Path) -> tuple[float, float]:
        """Median errors, in degrees and Å, of the poses of a table."""
        truth = ParticleSet.read(self.simulated.directory / "particles.star")
        found = ParticleSet.read(table, datadir=self.simulated.directory)
        angle = geodesic_degrees(found.rotation, truth.rotation)
        shift = np.linalg.norm(found.shift_angstrom - truth.shift_angstrom, axis=1)
        return float(np.median(angle)), float(np.median(shift))

    def kappa(self, run: RunDirectory) -> float:
        """Agreement of a run's classes with the truth."""
        folder = self.simulated.directory
        return float(evaluate(run.particles, folder / "truth.star", None)["kappa"])


@pytest.fixture(scope="module")
def perturbed(
    simulate: Callable[..., SimulatedSet], tmp_path_factory: pytest.TempPathFactory
) -> Perturbed:
    """A set whose poses are off by several degrees and more than a pixel."""
    simulated = simulate(particles=400, snr=1.0)
    particles = ParticleSet.read(simulated.directory / "particles.star")
    rng = np.random.default_rng(4)
    euler = euler_from_rotation(particles.rotation)
    euler += rng.normal(0, ANGLE_SD_DEGREES, euler.shape)
    shift = particles.shift_angstrom + rng.normal(0, SHIFT_SD_ANGSTROM, (len(particles), 2))
    table = tmp_path_factory.mktemp("perturbed") / "particles.star"
    names = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    particles.write(table, dict(zip(names, np.hstack([euler, shift]).T, strict=True)))
    return Perturbed(simulated, table)


@pytest.fixture(scope="module")
def request_rounds(perturbed: Perturbed, ask: Ask) -> Callable[..., ClassifyRequest]:
    """Compose the request for the perturbed table."""

    def make(**changes: object) -> ClassifyRequest:
        folder = perturbed.simulated.directory
        values = {"particles": perturbed.table, "datadir": folder, **changes}
        return ask(perturbed.simulated, **values)

    return make


@pytest.fixture(scope="module")
def refined(
    request_rounds: Callable[..., ClassifyRequest], tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """The perturbed set classified while its poses follow."""
    return classify(request_rounds(refine_poses=4), tmp_path_factory.mktemp("refined") / "RUN")


def test_poses_that_follow_restore_the_classes(
    perturbed: Perturbed, request_rounds: Ask, refined: RunDirectory, tmp_path: Path
) -> None:
    """Poses that are off cost most of kappa and are complained of; refined ones give it back."""
    fixed = classify(request_rounds(), tmp_path / "FIXED")
    (finding,) = (
        finding for finding in fixed.read_job().findings if finding.code is FindingCode.POSES_OFF
    )
    assert "--refine-poses" in finding.text
    assert fixed.read_job().poses is None
    assert not fixed.poses.exists()
    assert perturbed.kappa(refined) > max(0.9, perturbed.kappa(fixed) + 0.1)


def test_given_errors_are_measured(refined: RunDirectory) -> None:
    """The spread of the errors that were put in is learnt from the images."""
    poses = refined.read_job().poses
    assert poses is not None
    assert poses.rounds > 1
    # Errors of Euler angles: two of three axes are not orthogonal.
    assert 0.6 * ANGLE_SD_DEGREES < poses.given_angle_sd_degrees < 1.3 * ANGLE_SD_DEGREES
    assert 0.8 * SHIFT_SD_ANGSTROM < poses.given_shift_sd_angstrom < 1.2 * SHIFT_SD_ANGSTROM


def test_the_table_keeps_its_poses_and_combine_gives_the_new_ones(
    perturbed: Perturbed, refined: RunDirectory, tmp_path: Path
) -> None:
    """A user's columns stay; `align combine` writes the table with the poses of the last round."""
    before = perturbed.errors(perturbed.table)
    assert perturbed.errors(refined.particles) == before
    combined = tmp_path / "aligned.star"
    align_combine(refined.path, combined)
    angle, shift = perturbed.errors(combined)
    assert angle < before[0] / 2
    assert shift < before[1] / 3


def test_an_interrupted_run_resumes_in_its_round(
    request_rounds: Ask, refined: RunDirectory, tmp_path: Path
) -> None:
    """Stopped in the second round, a run ends with the same poses and classes, bit for bit."""
    request = request_rounds(refine_poses=4)
    run = tmp_path / "RUN"
    with pytest.raises(Interrupted):
        classify(request, run, progress=stopping_progress("run 1 of 2, round 1", 2))
    resumed = classify(request, run, resume=True)
    for name in ("posteriors.npy", "class001.mrc", "consensus.mrc"):
        assert (run / name).read_bytes() == (refined.path / name).read_bytes(), name
    with np.load(resumed.poses) as again, np.load(refined.poses) as once:
        for name in once:
            np.testing.assert_array_equal(again[name], once[name])


def test_classes_are_held_to_a_scaffold(
    perturbed: Perturbed, request_rounds: Ask, tmp_path: Path
) -> None:
    """With a scaffold alone, classes are fitted to the part that all share, and hardly move."""
    simulated = perturbed.simulated
    scaffold = tmp_path / "scaffold.mrc"
    write_volume(scaffold, sphere_mask(24, 17.5, (0.0, 0.0, -60.0), 80.0, 20.0), 17.5)
    request = request_rounds(
        particles=simulated.directory / "particles.star", scaffold=scaffold, scaffold_every=3
    )
    run = classify(request, tmp_path / "RUN")
    assert "moved onto the scaffold" in run.log.read_text(encoding="utf-8")
    assert perturbed.kappa(run) > 0.95
    combined = tmp_path / "aligned.star"
    align_combine(run.path, combined)
    angle, _ = perturbed.errors(combined)
    assert angle < 2.0
