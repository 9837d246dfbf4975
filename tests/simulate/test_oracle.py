"""The Bayes oracles against a brute-force likelihood, and the meaning of their posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from cryofocus.maths.fourier import inverse_2d
from cryofocus.simulate.image_formation import (
    NoiseLevels,
    chunk_ctf,
    combine_parts,
    form_images,
    measure_signal,
    noise_levels,
    project_chunk,
)
from cryofocus.simulate.oracle import oracle_posteriors, part_statistics
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.simulate.states import part_amplitudes


def real_space_log_likelihood(
    image: np.ndarray, templates: np.ndarray, ctf: np.ndarray, levels: NoiseLevels
) -> np.ndarray:
    """Log-density of an image under each template with the noise's full pixel covariance."""
    box = len(image)
    responses = []
    for y in range(box):
        for x in range(box):
            pixel = np.zeros((box, box))
            pixel[y, x] = 1.0
            responses.append(np.fft.irfft2(np.fft.rfft2(pixel) * ctf, s=(box, box)).ravel())
    blur = np.array(responses)
    covariance = levels.before_ctf * blur.T @ blur + levels.after_ctf * np.eye(box * box)
    difference = image.ravel() - templates.reshape(len(templates), -1)
    return -0.5 * np.einsum("si,ij,sj->s", difference, np.linalg.inv(covariance), difference)


@pytest.mark.parametrize("box", [22, 23])
def test_oracle_is_brute_force_bayes(phantom: Phantom, box: int) -> None:
    """Posteriors equal those from pixel-space densities of all states with their full covariance.

    Scenario 3 with coupled arms: both priors have structure to get wrong. The box is tiny, so the
    signal is raised until posteriors are neither 0 nor 1.
    """
    settings = HumanoidSettings(
        scenario=3, particles=6, box=box, pixel_size_angstrom=19.0, coupling=0.6, snr=0.12, seed=2
    )
    scenario = settings.states()
    specimens, camera, rows = settings.draw_specimens(), settings.camera(), slice(0, 6)
    levels = noise_levels(measure_signal(phantom, specimens, camera), settings.snr, 3.0)
    parts = project_chunk(phantom, specimens, camera, rows)
    ctf = chunk_ctf(specimens, camera, rows)
    signal = combine_parts(parts, specimens.states)
    images = form_images(signal, ctf, levels, settings.noise_generator(0))
    variance = levels.coefficient_variance(ctf, box)
    found = oracle_posteriors(*part_statistics(images, parts, ctf, variance), scenario)

    classes = scenario.unit_class(scenario.states)
    amplitudes = part_amplitudes(scenario.states)
    for particle in range(6):
        seen = np.einsum("sp,pyx->syx", amplitudes, parts[particle]) * ctf[particle]
        likelihood = real_space_log_likelihood(
            images[particle], inverse_2d(seen, box), ctf[particle], levels
        )
        for posterior, prior in zip(found, (scenario.prior, scenario.focused_prior), strict=True):
            possible = prior > 0
            joint = likelihood[possible] + np.log(prior[possible])
            weight = np.exp(joint - logsumexp(joint))
            expected = np.bincount(classes[possible], weights=weight, minlength=4)
            np.testing.assert_allclose(posterior[particle], expected, atol=2e-3)


def test_oracle_posteriors_mean_what_they_say(phantom: Phantom) -> None:
    """Mean highest posterior and fraction correct agree within the error of counting.

    For a calibrated classifier the difference has variance mean(p (1 - p)) / n; three of its
    standard deviations are allowed. The full oracle also uses the foot, so it is the better one.
    """
    settings = HumanoidSettings(
        scenario=3, particles=1000, box=32, pixel_size_angstrom=13.1, snr=0.02, seed=3
    )
    specimens, camera = settings.draw_specimens(), settings.camera()
    levels = noise_levels(measure_signal(phantom, specimens, camera), settings.snr, 1.4)
    rows = slice(0, settings.particles)
    parts = project_chunk(phantom, specimens, camera, rows)
    ctf = chunk_ctf(specimens, camera, rows)
    signal = combine_parts(parts, specimens.states)
    images = form_images(signal, ctf, levels, settings.noise_generator(0))
    variance = levels.coefficient_variance(ctf, camera.box)
    statistics = part_statistics(images, parts, ctf, variance)
    truth = settings.states().unit_class(specimens.states)
    fractions = []
    for posterior in oracle_posteriors(*statistics, settings.states()):
        np.testing.assert_allclose(posterior.sum(axis=1), 1.0, atol=1e-5)
        highest = posterior.max(axis=1).astype(float)
        correct = posterior.argmax(axis=1) == truth
        allowed = 3.0 * np.sqrt(np.sum(highest * (1 - highest))) / len(truth)
        assert highest.mean() == pytest.approx(correct.mean(), abs=allowed)
        fractions.append(correct.mean())
    assert fractions[0] > fractions[1] > 0.4
