"""Global search: what it finds, from nothing but an image and a map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.consensus.image_model import ScalePrior
from cryofocus.maths.ctf import evaluate_ctf
from cryofocus.maths.fourier import forward_2d, hermitian_weights, shift_phases
from cryofocus.maths.grids import shell_index_2d
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses import search as search_module
from cryofocus.poses.calibration import calibrate
from cryofocus.poses.evidence import ANY_SCALE, log_likelihood
from cryofocus.poses.likelihood import PoseData
from cryofocus.poses.scope import SearchScope, measure_diameter
from cryofocus.poses.search import FoundPoses

from .lumps import BOX, C1, C2, EXTENT, KERNELS, RADIUS, RESOLUTION, Lump, make_lump, scope

N = 12


def errors(lump: Lump, found: FoundPoses, operators: OperatorSet = C1) -> np.ndarray:
    """Angles, in degrees, from the true rotations, up to symmetry."""
    truth = lump.images.particles.rotation
    each = [geodesic_degrees(found.rotation @ r.T, truth) for r in operators.rotation]
    return np.min(each, axis=0)


def shift_errors(lump: Lump, found: FoundPoses) -> np.ndarray:
    """Distances, in Å, from the true shifts."""
    return np.linalg.norm(found.shift_angstrom - lump.images.particles.shift_angstrom, axis=1)


@pytest.fixture(scope="module")
def clean() -> Lump:
    """Images with hardly any noise."""
    return make_lump(N, noise_sd=0.02)


@pytest.fixture(scope="module")
def found(clean: Lump) -> FoundPoses:
    """What is found in them."""
    return clean.search(scope()).find(clean.images, KERNELS, np.arange(N))


def test_clean_images_give_their_poses(clean: Lump, found: FoundPoses) -> None:
    """Without noise every pose is found; to a tenth of a degree, and of an Å, as a rule."""
    assert np.median(errors(clean, found)) < 0.1
    assert errors(clean, found).max() < 0.5
    assert shift_errors(clean, found).max() < 0.1
    assert found.confidence.min() > 0.999


def test_first_level_comes_within_its_step(clean: Lump) -> None:
    """The best few of the first level lead to the right pose: it is at most two steps away."""
    search = clean.search(scope())
    band = search.model.reference.band(BOX)
    held = search_module.hold_images(clean.images, np.arange(N))
    data = PoseData.of_chunk(held.load(band, np.arange(N)), band, held, search.model.noise)
    found = search.coarse.search(data, ANY_SCALE, C1, 3)
    truth = clean.images.particles.rotation[:, None]
    nearest = geodesic_degrees(found.rotation, np.broadcast_to(truth, found.rotation.shape))
    assert nearest.min(axis=1).max() < 24
    assert np.median(nearest.min(axis=1)) < 12


def test_own_poses_are_not_looked_at(clean: Lump, found: FoundPoses) -> None:
    """Particles that come with other poses get the same ones, to the last bit."""
    rng = np.random.default_rng(3)
    other = replace(
        clean.images.particles,
        rotation=Rotation.random(N, random_state=4).as_matrix(),
        shift_angstrom=rng.normal(0, 30, (N, 2)),
    )
    images = replace(clean.images, particles=other)
    again = clean.search(scope()).find(images, KERNELS, np.arange(N))
    np.testing.assert_array_equal(again.rotation, found.rotation)
    np.testing.assert_array_equal(again.shift_angstrom, found.shift_angstrom)


def test_chunks_do_not_matter(
    clean: Lump, found: FoundPoses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each particle's pose depends on its own image alone, whatever is searched beside it."""
    monkeypatch.setattr(search_module, "CHUNK_PARTICLES", 5)
    order = np.random.default_rng(5).permutation(N)
    again = clean.search(scope()).find(clean.images, KERNELS, order)
    assert geodesic_degrees(again.rotation, found.rotation[order]).max() < 1e-2
    np.testing.assert_allclose(again.confidence, found.confidence[order], atol=1e-4)


def test_rotated_reference_gives_rotated_poses(clean: Lump, found: FoundPoses) -> None:
    """A map turned by R is found under the poses A R^T."""
    turn = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix()
    turned = replace(clean.beads, centres=clean.beads.centres @ turn.T).volume(BOX)
    again = clean.search(scope(), turned).find(clean.images, KERNELS, np.arange(N))
    away = geodesic_degrees(again.rotation @ turn, found.rotation)
    assert np.median(away) < 0.1
    assert away.max() < 1.0


def test_mirrored_reference_fits_as_well(clean: Lump, found: FoundPoses) -> None:
    """Projections do not tell the hand: the mirror map gives mirrored poses, as likely as ours."""
    flip = np.diag([1.0, 1.0, -1.0])
    mirrored = replace(clean.beads, centres=clean.beads.centres @ flip).volume(BOX)
    again = clean.search(scope(), mirrored).find(clean.images, KERNELS, np.arange(N))
    away = geodesic_degrees(flip @ again.rotation @ flip, found.rotation)
    assert np.median(away) < 0.1
    assert away.max() < 1.0
    np.testing.assert_allclose(again.log_likelihood_gain, found.log_likelihood_gain, rtol=1e-3)


def test_two_fold_poses_are_one() -> None:
    """Under C2 one pose of each pair is found, and the other is no rival; under C1 it is one."""
    lump = make_lump(N, noise_sd=0.02, operators=C2)
    paired = lump.search(scope(C2)).find(lump.images, KERNELS, np.arange(N))
    assert errors(lump, paired, C2).max() < 0.5
    assert paired.confidence.min() > 0.999
    single = lump.search(scope(C1)).find(lump.images, KERNELS, np.arange(N))
    assert errors(lump, single, C2).max() < 0.5
    np.testing.assert_allclose(single.confidence, 0.5, atol=0.1)
    assert single.margin.max() < 0.01 * single.log_likelihood_gain.min()


def test_particles_near_the_edge_are_found() -> None:
    """Particles so far from the middle that the image cuts them off in part are found."""
    angle = np.random.default_rng(6).uniform(0, 2 * np.pi, N)
    far = 42.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lump = make_lump(N, noise_sd=0.5, shift=far)
    found = lump.search(scope(max_shift=48.0)).find(lump.images, KERNELS, np.arange(N))
    assert 42.0 + RADIUS > EXTENT / 2
    assert errors(lump, found).max() < 12
    assert shift_errors(lump, found).max() < 4


def test_noise_is_not_taken_for_particles() -> None:
    """Images of nothing but noise give finite numbers and low confidence."""
    lump = make_lump(N, noise_sd=1.0)
    rng = np.random.default_rng(8)
    pixels = rng.normal(size=(N, BOX, BOX)).astype(np.float32)
    images = replace(lump.images, reader=replace(lump.images.reader, images=pixels))
    found = lump.search(scope()).find(images, KERNELS, np.arange(N))
    assert all(np.isfinite(values).all() for values in vars(found).values())
    assert np.median(found.confidence) < 0.5
    assert found.margin.min() >= 0


@pytest.mark.parametrize("sign", [1, -1])
def test_calibration_finds_contrast_grey_scale_and_noise(sign: int) -> None:
    """From poses of a sample follow the contrast, the map's grey scale and the noise."""
    lump = make_lump(24, noise_sd=2.0)
    reader = replace(lump.images.reader, images=sign * lump.images.reader.images)
    measured = calibrate(
        replace(lump.images, reader=reader), lump.volume / np.float32(5), scope(), KERNELS
    )
    assert measured.sign == sign
    assert measured.grey_scale == pytest.approx(5, rel=0.05)
    assert measured.scale_variance == 0
    total = measured.noise.additive + 0.5 * measured.noise.transmitted
    np.testing.assert_allclose(total[0, 3:-1] / (2.0 * BOX) ** 2, 1, atol=0.25)


def test_best_of_everything_is_found() -> None:
    """On a tiny case no pose of a fine grid over everything, scored slowly, is likelier."""
    lump = make_lump(4, noise_sd=12.0, shift_sd=2.0)
    spread = scope(max_shift=6.0)
    found = lump.search(spread).find(lump.images, KERNELS, np.arange(4))
    rotations = Rotation.random(2000, random_state=1).as_matrix()
    slices = lump.beads.slices(rotations, BOX)
    pixels = lump.images.reader.images
    half = forward_2d(pixels.copy())
    inside = shell_index_2d(BOX) <= int(EXTENT / RESOLUTION)
    weight = hermitian_weights(BOX) * inside / (12.0 * BOX) ** 2
    particles = lump.images.particles
    ctf = evaluate_ctf(particles.ctf, particles.optics[0].microscope, BOX, 4.0)
    line = np.arange(-6.0, 7.0, 3.0)
    shifts = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    phases = shift_phases(BOX, 4.0, shifts)
    for i in range(4):
        quadratic = np.einsum("nyx,yx->n", np.abs(slices) ** 2, ctf[i] ** 2 * weight)
        moved = half[i] * phases * ctf[i] * weight
        linear = np.einsum("nyx,syx->ns", slices.conj(), moved, optimize=True).real
        best = (np.maximum(linear, 0) ** 2 / (2 * quadratic[:, None])).max()
        # The search was told that the noise has variance 1.
        assert found.log_likelihood_gain[i] / 12.0**2 > best


def test_log_likelihood_has_the_best_intensity() -> None:
    """The formula agrees with the highest of many intensities, for narrow and wide priors."""
    scales = np.linspace(0, 6, 60_001)
    for prior in (ScalePrior(1.0, 0.3), ScalePrior(2.0, 1e-4), ANY_SCALE):
        for linear, quadratic in ((3.0, 2.0), (-4.0, 1.5), (10.0, 4.0)):
            value = scales * linear - 0.5 * scales**2 * quadratic
            value -= 0.5 * (scales - prior.mean) ** 2 / prior.variance
            found = log_likelihood(np.array(linear), np.array(quadratic), prior)
            assert found == pytest.approx(value.max(), abs=1e-3)
    known = log_likelihood(np.array(3.0), np.array(2.0), ScalePrior(1.5, 0.0))
    assert known == pytest.approx(1.5 * 3 - 0.5 * 1.5**2 * 2)


def test_levels_follow_particle_and_resolution() -> None:
    """Steps halve until gradients can take over; detail follows until the resolution asked for."""
    levels = SearchScope(10.0, 20.0, 300.0, C1).levels
    steps = np.array([level.degrees for level in levels])
    np.testing.assert_allclose(steps[:-1] / steps[1:], 2)
    assert steps[-1] <= np.degrees(10 / 300) / 2 < steps[-2]
    details = [level.resolution_angstrom for level in levels]
    assert details == sorted(details, reverse=True)
    assert details[-1] == 10.0
    assert SearchScope(20.0, 20.0, 60.0, C1).levels[0].degrees == pytest.approx(19.1, abs=0.1)


def test_diameter_reaches_the_farthest_part() -> None:
    """A particle off the centre is as wide as its farthest part demands; specks are left out."""
    volume = np.zeros((40, 40, 40), np.float32)
    volume[18:23, 18:23, 18:31] = 1
    volume[3:5, 3:5, 3:5] = 0.3
    found = measure_diameter(volume, 5.0, 20.0)
    assert 2 * 50 <= found <= 2 * 65
