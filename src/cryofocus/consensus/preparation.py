"""Decisions taken once before any image is used: contrast sign, normalisation, half sets."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
from jaxtyping import Int8

from cryofocus.consensus.images import CHUNK_PIXELS, ParticleImages
from cryofocus.consensus.noise.detail import split_by_detail
from cryofocus.consensus.treatment import ImageTreatment, background_moments
from cryofocus.data.half_sets import deal_half_sets
from cryofocus.data.images import ImageReader, Reader
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import ParticleError
from cryofocus.execution.contract import Executor
from cryofocus.execution.serial import HERE
from cryofocus.formatting import format_percent

logger = logging.getLogger(__name__)

SAMPLE_PARTICLES = 400
# Backgrounds this uniform need no normalisation: relative spread of deviations, mean over
# deviation.
UNIFORM_DEVIATION, UNIFORM_MEAN = 0.1, 0.2
BACKGROUND_RADIUS = 0.9

Invert = Literal["auto", "yes", "no"]


def open_images(
    particles: ParticleSet,
    invert: Invert = "auto",
    *,
    reader: Reader | None = None,
    threads: int = 1,
    executor: Executor = HERE,
) -> ParticleImages:
    """Look at a sample of the images and decide how all are treated.

    Args:
        particles: The particle set.
        invert: "yes" for dark protein, "no" for bright protein; "auto" guesses bright and lets
            the density decide (`ImageTreatment.is_sign_settled`).
        reader: Gives raw pixels; those of the particles' own stacks if left out.
        threads: Threads of the Fourier transforms.
        executor: Where passes over all images are made.
    """
    reader = reader or ImageReader(particles)
    n_sample = min(SAMPLE_PARTICLES, len(particles))
    sample = np.unique(np.linspace(0, len(particles) - 1, n_sample).astype(np.int64))
    particles = split_by_detail(particles, reader, sample)
    edge = _common_field_pixels(particles)
    radius = BACKGROUND_RADIUS * edge / 2
    at_once = max(1, CHUNK_PIXELS // particles.box**2)
    starts = range(0, len(sample), at_once)
    parts = (reader.read(sample[start : start + at_once]) for start in starts)
    mean, deviation = map(
        np.concatenate, zip(*(background_moments(one, radius, edge) for one in parts), strict=True)
    )
    if not np.median(deviation) > np.finfo(np.float32).tiny:
        message = (
            f"{particles.stack_paths[0] if particles.stack_paths else 'images'}: most images have "
            "a background without any noise (all pixels equal); expected particle images. Check "
            "that the stack is the one the particle table was made for."
        )
        raise ParticleError(message)
    spread = float(np.median(np.abs(deviation / np.median(deviation) - 1)) / 0.6745)
    offset = float(np.median(np.abs(mean)) / np.median(deviation))
    normalise = spread > UNIFORM_DEVIATION or offset > UNIFORM_MEAN
    logger.info(
        "background of %d images: standard deviation %.4g, which differs by %s from image to "
        "image; mean %s of that; %s",
        len(sample),
        float(deviation.mean()),
        format_percent(spread, 1),
        format_percent(offset, 1),
        "so each image is normalised" if normalise else "normalised already, used as they are",
    )
    sign = -1 if invert == "yes" else 1
    usual = float(np.median(deviation))
    treatment = ImageTreatment(
        sign, normalise, radius, edge, is_sign_settled=invert != "auto", usual_deviation=usual
    )
    return ParticleImages(particles, reader, treatment, threads, executor)


def _common_field_pixels(particles: ParticleSet) -> float:
    """Return the edge of the square that the images of every optics group fill."""
    used = np.unique(particles.optics_of_particle)
    fields = [particles.optics[g].box * particles.optics[g].pixel_size_angstrom for g in used]
    return float(min(particles.box, min(fields) / particles.pixel_size_angstrom))


def assign_half_sets(
    particles: ParticleSet, seed: int
) -> tuple[Int8[np.ndarray, " particle"], str]:
    """Return half set 1 or 2 of every particle, and where it came from; see `deal_half_sets`."""
    return deal_half_sets(
        particles.half_set, particles.micrograph_of_particle, particles.parent_of_particle, seed
    )
