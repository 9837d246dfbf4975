"""Local refinement: derivatives, exact recovery, equivariance, errors that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus import images as images_module
from cryofocus.consensus.image_model import ScalePrior, matched_chunk
from cryofocus.consensus.images import projection_matrices
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import geodesic_degrees, random_rotations
from cryofocus.maths.symmetry import pose_errors
from cryofocus.poses.likelihood import PoseData, compare
from cryofocus.poses.prior import PosePrior, wide_prior
from cryofocus.poses.reference import make_reference
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import Poses, turn, with_poses

from .planted_poses import Planted, exact_slices, perturb, plant

STRETCHED = Microscope(300.0, 2.7, 0.1, magnification_matrix=((1.03, 0.01), (0.01, 0.98)))
KERNELS = CpuKernels(2)


def data_of(planted: Planted, n_shells: int) -> PoseData:
    """All images, filtered, centred by the true shifts."""
    images, model = planted.images, planted.model(n_shells)
    band = model.reference.band(images.particles.box)
    return PoseData.of_chunk(images.load(band, np.arange(len(images))), band, images, model.noise)


def slow_objective(
    planted: Planted, n_shells: int, poses: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Log-likelihood at some poses from exact slices: shares no slice code with the package."""
    images, box = with_poses(planted.images, *poses), planted.images.particles.box
    band, which = planted.model(n_shells).reference.band(box), np.arange(len(images))
    # Images are centred with the new shifts before they are compared.
    chunk = images.load(band, which)
    slices = band.pick(
        exact_slices(planted.beads, projection_matrices(images.particles, which), box)
    )
    ones = np.ones(len(which), np.float32)
    data, precision = matched_chunk(chunk, band, planted.noise(), ones)
    terms = (data.conj() * slices).real - 0.5 * precision * np.abs(slices) ** 2
    return np.asarray(terms @ band.hermitian.astype(np.float64))


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("microscope", [Microscope(300.0, 2.7, 0.1), STRETCHED])
def test_gradient_is_that_of_the_slow_reference(box: int, microscope: Microscope) -> None:
    """Analytic derivatives agree with differences of a likelihood made of exact projections."""
    planted = plant(12, box, 0.5, microscope)
    start = perturb(planted.images, 4, 4).particles
    rotation, shift = start.rotation, start.shift_angstrom
    found = compare(data_of(planted, 12), planted.model(12), rotation, shift, KERNELS)
    slow = np.empty((12, 5))
    for axis in range(5):
        step = np.zeros((12, 5))
        step[:, axis] = 1e-3
        ahead, back = (
            slow_objective(planted, 12, (turn(rotation, s[:, :3]), shift + s[:, 3:]))
            for s in (step, -step)
        )
        slow[:, axis] = (ahead - back) / 2e-3
    value = slow_objective(planted, 12, (rotation, shift))
    np.testing.assert_allclose(found.objective, value, atol=0.03 * np.abs(value).mean())
    for axis in range(5):
        error = np.abs(found.gradient[:, axis] - slow[:, axis])
        assert error.max() < 0.05 * np.abs(slow[:, axis]).max()


@pytest.mark.parametrize("prior", [ScalePrior(1.0, 0.0), ScalePrior(0.9, 0.1)])
def test_gradient_is_that_of_the_objective(prior: ScalePrior) -> None:
    """The gradient by the shift is the objective's own, with free intensities too."""
    planted = plant(10, 24, 0.5)
    start, model = perturb(planted.images, 4, 4).particles, planted.model(10, prior)
    data, shift = data_of(planted, 10), start.shift_angstrom
    found = compare(data, model, start.rotation, shift, KERNELS)
    for axis in range(2):
        step = np.eye(2)[axis] * 0.05
        ahead, back = (
            compare(data, model, start.rotation, shift + s, KERNELS).objective
            for s in (step, -step)
        )
        np.testing.assert_allclose(
            found.gradient[:, 3 + axis], (ahead - back) / 0.1, rtol=2e-3, atol=2e-2
        )


def test_prior_pulls_by_its_own_gradient() -> None:
    """The prior's gradient is that of its log-density, which is 0 at the given poses."""
    rng = np.random.default_rng(3)
    rotation, shift = random_rotations(6, rng), rng.normal(size=(6, 2))
    prior = PosePrior(rotation, shift, np.radians(4.0), 3.0)
    assert np.abs(prior.log_density(rotation, shift)).max() < 1e-9
    away, moved = turn(rotation, rng.normal(0, 0.1, (6, 3))), shift + rng.normal(size=(6, 2))
    for axis in range(5):
        step = np.eye(5)[[axis] * 6] * 1e-5
        ahead, back = (
            prior.log_density(turn(away, s[:, :3]), moved + s[:, 3:]) for s in (step, -step)
        )
        slope = (ahead - back) / 2e-5
        np.testing.assert_allclose(prior.gradient(away, moved)[:, axis], slope, atol=1e-4)


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("microscope", [Microscope(300.0, 2.7, 0.1), STRETCHED])
def test_perturbation_of_clean_images_is_undone(box: int, microscope: Microscope) -> None:
    """Without noise every pose comes back, in odd and even boxes and under a magnification."""
    planted = plant(40, box, 0.0, microscope)
    start = perturb(planted.images, 3, 4)
    found = refine_poses(start, planted.model(12), KERNELS)
    errors = pose_errors((found.rotation, found.shift_angstrom), planted.poses)
    assert errors.angle_degrees.max() < 0.15
    assert errors.shift_angstrom.max() < 0.05


def test_rotated_reference_gives_rotated_poses() -> None:
    """A map turned by R is seen at A R^T: refinement finds the same views in its frame."""
    planted = plant(30, 32, 0.3)
    start, model = perturb(planted.images, 3, 3), planted.model(11)
    motion = RigidTransform(random_rotations(1, np.random.default_rng(4))[0], np.zeros(3))
    moved = make_reference(motion.move_map(planted.volume, 4.0), start, 11)
    turned = with_poses(
        start, *motion.move_poses(*(start.particles.rotation, start.particles.shift_angstrom))
    )
    plain = refine_poses(start, model, KERNELS)
    other = refine_poses(turned, replace(model, reference=moved), KERNELS)
    away = geodesic_degrees(other.rotation @ motion.rotation, plain.rotation)
    assert np.median(away) < 0.2 * np.median(plain.angle_error_degrees)


def test_shifted_images_give_shifted_poses() -> None:
    """Images moved by a vector need shifts smaller by it, and the same orientations."""
    planted, vector = plant(20, 32, 0.3), np.array([4.0, -8.0])
    start, model = perturb(planted.images, 2, 2), planted.model(11)
    pixels = planted.images.reader.read(np.arange(20))
    moved_pixels = np.roll(pixels, (-2, 1), axis=(1, 2))
    moved = replace(start, reader=replace(planted.images.reader, images=moved_pixels))
    shifted = with_poses(moved, start.particles.rotation, start.particles.shift_angstrom - vector)
    plain, other = (refine_poses(images, model, KERNELS) for images in (start, shifted))
    np.testing.assert_allclose(other.shift_angstrom + vector, plain.shift_angstrom, atol=0.02)
    assert geodesic_degrees(other.rotation, plain.rotation).max() < 0.1


def test_errors_are_as_large_as_expected() -> None:
    """Squared errors over their expected variance average 1, for turns and for shifts."""
    planted = plant(400, 24, 2.0)
    found = refine_poses(perturb(planted.images, 2, 2), planted.model(10), KERNELS)
    rotation, shift = planted.poses
    relative = np.swapaxes(rotation, 1, 2) @ found.rotation
    skew = 0.5 * (relative - np.swapaxes(relative, 1, 2))
    error = np.column_stack(
        [skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0], found.shift_angstrom - shift]
    )
    chi = np.einsum("na,nab,nb->n", error, np.linalg.inv(found.covariance), error)
    assert 3.5 < np.median(chi) / 4.35 * 5 < 6.5
    assert found.angle_error_degrees.shape == (400,)


def test_widths_of_given_errors_are_learnt() -> None:
    """The prior's widths approach those that the given poses were perturbed by."""
    planted = plant(300, 24, 0.3)
    start, model = perturb(planted.images, 3, 5), planted.model(10)
    prior = replace(wide_prior(start), angle_sd_radians=np.radians(6), shift_sd_angstrom=10.0)
    for _ in range(3):
        angle, shift = prior.widths_of(refine_poses(start, model, KERNELS, prior=prior))
        prior = replace(prior, angle_sd_radians=angle, shift_sd_angstrom=shift)
    assert np.degrees(prior.angle_sd_radians) == pytest.approx(3, rel=0.15)
    assert prior.shift_sd_angstrom == pytest.approx(5, rel=0.15)


def test_result_depends_neither_on_chunks_nor_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 7 particles and one thread give what one chunk and three threads give."""
    planted = plant(30, 24, 1.0)
    start, model = perturb(planted.images, 2, 2), planted.model(10)
    whole = refine_poses(start, model, CpuKernels(3))
    monkeypatch.setattr(images_module, "CHUNK_PARTICLES", 7)
    parts = refine_poses(start, model, CpuKernels(1))
    np.testing.assert_allclose(parts.rotation, whole.rotation, atol=1e-9)
    np.testing.assert_allclose(parts.shift_angstrom, whole.shift_angstrom, atol=1e-7)
    chosen = np.array([9, 4, 25])
    some = refine_poses(start, model, CpuKernels(1), which=chosen)
    np.testing.assert_allclose(some.rotation, whole.rotation[chosen], atol=1e-9)


def test_images_of_noise_stay_where_they_are_and_say_so() -> None:
    """Against a map without density nothing moves, errors are the prior's, nothing is NaN."""
    planted = plant(12, 24, 1.0)
    model = planted.model(10)
    empty = make_reference(np.zeros((24, 24, 24), np.float32), planted.images, 10)
    found = refine_poses(planted.images, replace(model, reference=empty), KERNELS)
    np.testing.assert_allclose(found.rotation, planted.poses[0])
    np.testing.assert_allclose(found.angle_error_degrees, 30 * np.sqrt(3))
    assert np.isfinite(found.covariance).all()
    assert not found.log_likelihood_gain.any()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_pose_moments_equal_the_reference(n_threads: int) -> None:
    """The compiled moments are those of whole-array NumPy, and inputs stay as they were."""
    planted = plant(5, 16, 0.5)
    data, model = data_of(planted, 7), planted.model(7)
    start = perturb(planted.images, 3, 3).particles
    poses = (start.rotation, start.shift_angstrom)
    before = data.data.copy()
    ours, theirs = (
        compare(data, model, *poses, kernels)
        for kernels in (CpuKernels(n_threads), ReferenceKernels())
    )
    for name in ("objective", "gradient", "information"):
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())
    np.testing.assert_array_equal(data.data, before)


def test_poses_are_taken_and_put() -> None:
    """Rows of poses go where they are put, and those taken out are the same."""
    planted = plant(6, 16, 0.5)
    found = refine_poses(planted.images, planted.model(7), KERNELS)
    filled, rows = Poses.empty(6), np.array([4, 1, 0, 5, 3, 2])
    filled.put(rows, found.take(rows))
    assert len(filled) == 6
    np.testing.assert_array_equal(filled.rotation, found.rotation)
