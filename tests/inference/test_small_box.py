"""The small box's statistics against the likelihood's definition on the full plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import small_box_reference as reference
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.data.particles import ParticleSet
from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.focus import (
    FocusBox,
    FocusPlan,
    FocusStatistics,
    measure_focus,
)
from cryofocus.inference.deviations.likelihood import class_log_likelihoods
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.grids import cut_cube
from cryofocus.maths.masks import sphere_mask
from samples import PIXEL_SIZE, make_particles, multiply_by_ctf, wrap_images

N_PARTICLES, N_CLASSES = 3, 2
RADIUS, SOFT_EDGE = 12.0, 6.0
ADDITIVE, TRANSMITTED = 30.0, 20.0
STRONG = (40_000.0, 60_000.0)
PLAIN = (Microscope(300.0, 2.7, 0.1),)
GROUPS = (Microscope(300.0, 2.7, 0.1), Microscope(200.0, 1.4, 0.07), Microscope(120.0, 2.0, 0.2))
STRETCHED = Microscope(300.0, 2.7, 0.1, magnification_matrix=((1.03, 0.01), (0.01, 0.98)))
ABERRANT = Microscope(300.0, 2.7, 0.1, beam_tilt_mrad=(1.5, -1.0), odd_zernike=(0.0, 0.0, 900.0))


@dataclass(frozen=True)
class Case:
    """One way in which images are taken and classified."""

    box: int = 30
    n_shells: int = 15
    microscopes: tuple[Microscope, ...] = PLAIN
    premultiplied: tuple[bool, ...] = (False,)
    defocus: tuple[float, float] = (8_000.0, 15_000.0)
    centre: tuple[float, float, float] = (12.0, -16.0, 8.0)
    radius: float = RADIUS
    diameter: int | None = None


# Sharp masks that fill the box: the statistics are those of the whole plane, cut nowhere.
WHOLE = {"radius": 28.0, "centre": (0.0, 4.0, 0.0)}
WHOLE_CASES = {
    "even box": Case(20, 10, **WHOLE),
    "odd box": Case(21, 10, **WHOLE),
    "resampled": Case(30, 8, **WHOLE),
    "resampled odd box": Case(31, 8, **WHOLE),
    "delocalised": Case(21, 10, defocus=STRONG, **WHOLE),
    "optics groups": Case(20, 10, GROUPS, (False,) * 3, **WHOLE),
    "premultiplied": Case(20, 10, GROUPS, (True, False, True), **WHOLE),
    "magnification": Case(30, 8, (STRETCHED,), **WHOLE),
    "odd aberrations": Case(20, 10, (ABERRANT,), **WHOLE),
}
SMALL_CASES = {
    "even box": Case(),
    "odd box": Case(31),
    "resampled": Case(44, 14),
    "resampled odd box": Case(45, 14),
    "delocalised": Case(defocus=STRONG),
    "delocalised odd box": Case(31, defocus=STRONG),
    "optics groups": Case(30, 15, GROUPS, (False,) * 3),
    "premultiplied": Case(30, 15, GROUPS, (True, False, True)),
    "magnification": Case(44, 16, (STRETCHED,)),
    "odd aberrations": Case(30, 15, (ABERRANT,)),
    "as long as the box": Case(40, 19, radius=28.0, centre=(4.0, -8.0, 0.0)),
    "longer than the box": Case(40, 19, radius=38.0, centre=(4.0, -8.0, 0.0)),
    "longer than an odd box": Case(41, 20, radius=38.0, centre=(4.0, -8.0, 0.0)),
}


@dataclass(frozen=True)
class Measured:
    """Statistics, deviations and what the definition says of them, (particle, class)."""

    statistics: FocusStatistics
    deviations: np.ndarray
    expected: np.ndarray


def measure(case: Case, smoothing: float = 0.0) -> Measured:
    """Take statistics of noise and work the log-likelihoods out from their definition."""
    rng = np.random.default_rng(7)
    particles = make_particles(
        N_PARTICLES,
        case.box,
        rng,
        microscopes=case.microscopes,
        premultiplied=case.premultiplied,
        defocus=case.defocus,
    )
    images = rng.normal(0, 3, (N_PARTICLES, case.box, case.box)).astype(np.float32)
    mask = sphere_mask(case.box, PIXEL_SIZE, case.centre, case.radius, SOFT_EDGE)
    # Headroom for the magnification, as the classifier leaves it.
    reach = math.ceil(case.n_shells * (1.05 if STRETCHED in case.microscopes else 1))
    box = FocusBox.around(mask, PIXEL_SIZE, reach)
    if case.diameter is not None:
        cube = cut_cube(box.mask, [box.diameter // 2] * 3, case.diameter)
        box = replace(box, mask=cube, edge=2 * case.diameter)
    nothing = np.zeros((case.box,) * 3, np.float32)
    estimate = MapEstimate(nothing, (nothing, nothing), np.ones(case.box // 2 + 1))
    wrapped = wrap_images(particles, multiply_by_ctf(particles, images))
    consensus = Consensus(wrapped, estimate, make_noise(case), ScalePrior(1.0, 0.0), 1.0)
    background = whole_consensus(consensus, CpuKernels(2))
    statistics = measure_focus(background, consensus.image_model, FocusPlan(box, case.n_shells))
    field = rng.normal(size=(N_CLASSES, *box.mask.shape))
    if smoothing:
        field = gaussian_filter(field, smoothing, axes=(1, 2, 3))
    deviations = np.asarray(6 * field / field.std() * box.mask, np.float32)
    return Measured(statistics, deviations, expect(case, particles, images, box, deviations))


def make_noise(case: Case) -> NoiseModel:
    """White noise of both kinds, of another strength in each optics group."""
    group = 1 + np.arange(len(case.microscopes))[:, None] + np.zeros(case.box // 2)
    return NoiseModel(ADDITIVE * group, TRANSMITTED / group)


def expect(
    case: Case,
    particles: ParticleSet,
    images: np.ndarray,
    box: FocusBox,
    deviations: np.ndarray,
) -> np.ndarray:
    """Log-likelihood of each deviation over that of none, summed over the full plane."""
    voxels = voxel_indices(deviations)
    points = voxels * box.voxel_size_angstrom + np.array(box.centre_angstrom)
    densities = picked(deviations)
    plane = reference.Plane.of(case.box, PIXEL_SIZE)
    in_band = plane.radius < case.n_shells
    result = np.empty((len(images), len(deviations)))
    for i, image in enumerate(images):
        group = int(particles.optics_of_particle[i])
        imaging = (particles.ctf, i, case.microscopes[group])
        f = reference.specimen(imaging[2], plane)
        transmitted = TRANSMITTED / (group + 1) * reference.contrast(*imaging, f) ** 2
        variance = ADDITIVE * (group + 1) + transmitted
        seen = reference.transform(image)
        slices = reference.project(points, densities, particles.rotation[i], f)
        none = np.zeros_like(seen)
        for k in range(len(deviations)):
            model = reference.image_of(slices[..., k], imaging, particles.shift_angstrom[i], plane)
            with_it, without = (
                reference.log_likelihood(seen, m, variance, in_band) for m in (model, none)
            )
            result[i, k] = with_it - without
    return result


def voxel_indices(deviations: np.ndarray) -> np.ndarray:
    """Return x, y, z of every voxel that deviates, from the centre voxel."""
    occupied = np.argwhere(deviations.any(axis=0)) - deviations.shape[1] // 2
    return occupied[:, ::-1].astype(np.float64)


def picked(deviations: np.ndarray) -> np.ndarray:
    """Return the values of these voxels, (voxel, class)."""
    return np.asarray(deviations[:, deviations.any(axis=0)].T, np.float64)


def by_exact_slices(measured: Measured) -> np.ndarray:
    """Evaluate the statistics with slices summed voxel by voxel instead of interpolated."""
    statistics, deviations = measured.statistics, measured.deviations
    geometry = statistics.geometry
    voxels, densities = voxel_indices(deviations), picked(deviations)
    result = np.empty(measured.expected.shape)
    for i, matrix in enumerate(geometry.matrices.astype(np.float64)):
        phase = (geometry.points.astype(np.float64) @ matrix) @ voxels.T / geometry.edge
        slices = np.exp(-2j * np.pi * phase) @ densities
        linear = (statistics.data[i].conj() @ slices).real
        result[i] = linear - 0.5 * statistics.precision[i] @ np.abs(slices) ** 2
    return result


def by_kernels(measured: Measured) -> np.ndarray:
    """Evaluate the statistics as the classification does."""
    statistics = measured.statistics
    space = DeviationSpace(statistics.box, statistics.band.n_shells)
    return class_log_likelihoods(statistics, space.to_grid(measured.deviations), CpuKernels(2))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the root-mean-square log-likelihood."""
    return float(np.abs(found - expected).max() / np.sqrt((expected**2).mean()))


@pytest.mark.parametrize("name", WHOLE_CASES)
def test_whole_box_statistics_are_the_definition(name: str) -> None:
    """Where the mask fills the box, exact slices give the definition to single precision."""
    measured = measure(WHOLE_CASES[name])
    assert measured.statistics.box.is_whole
    assert relative_error(by_exact_slices(measured), measured.expected) < 1e-4
    assert relative_error(by_kernels(measured), measured.expected) < 0.05


@pytest.mark.parametrize("name", SMALL_CASES)
def test_small_box_statistics_are_the_definition(name: str) -> None:
    """Cut to the small box, exact slices of smooth deviations give the definition to a percent."""
    measured = measure(SMALL_CASES[name], smoothing=1.5)
    assert not measured.statistics.box.is_whole
    assert relative_error(by_exact_slices(measured), measured.expected) < 0.03
    assert relative_error(by_kernels(measured), measured.expected) < 0.05


@pytest.mark.parametrize("box", [44, 45])
def test_small_box_converges_to_the_definition(box: int) -> None:
    """What the cut costs falls to a few thousandths as the box grows around the same mask."""
    errors = []
    for diameter in (12, 20):
        measured = measure(Case(box, 16, defocus=STRONG, diameter=diameter), smoothing=1.5)
        errors.append(relative_error(by_exact_slices(measured), measured.expected))
    assert errors[-1] < errors[0]
    assert errors[-1] < 3e-3
