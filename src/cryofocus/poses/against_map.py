"""Poses refined against a map from elsewhere, to finer detail from pass to pass."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.noise.power import first_noise
from cryofocus.consensus.resolution import MIN_SHELLS
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.accuracy import measure_against
from cryofocus.poses.given_map import MapFit, fit_map, mirrored, model_of_map
from cryofocus.poses.prior import prior_of_width, wide_prior
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import moved_share, with_poses
from cryofocus.poses.rounds import SETTLED, RefinedImages

logger = logging.getLogger(__name__)

MAX_PASSES = 4
# A mirrored map has to fit better by this much in log-likelihood to be worth a word.
CLEARLY = 20.0


def refine_against_map(
    images: ParticleImages,
    volume: Float32[np.ndarray, "box box box"],
    kernels: SliceKernels,
    max_shells: int,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> RefinedImages:
    """Refine all poses against one map until they stay.

    Args:
        images: Prepared images at the poses to start from; the agreement with the map decides
            their contrast sign unless it is settled.
        volume: Map on their grid, in any grey scale; both half sets are compared with it.
        kernels: Slice kernels of the device.
        max_shells: Shells compared at most.
        advance: Called with the number of particles done, in each pass all of them.
    """
    fit = fit_map(images, volume, first_noise(images), kernels)
    if fit.is_inverted and not images.treatment.is_sign_settled:
        images, fit = images.flipped(), replace(fit, linear=-fit.linear)
    images = images.settled()
    _warn_of_misfit(images, volume, fit, kernels)
    n_shells, number = _choose_shells(fit, max_shells), 1
    model = model_of_map(images, volume, fit, n_shells, kernels)
    prior = wide_prior(images)
    if fit.n_shells >= MIN_SHELLS:
        accuracy = measure_against(images, model, kernels)
        prior = prior_of_width(images, accuracy.most_angle_degrees, accuracy.most_shift_angstrom)
    while True:
        poses = refine_poses(images, model, kernels, prior=prior, advance=advance)
        prior = prior.learn(poses)
        logger.info(
            "poses, pass %d to %d shells: the given ones are off by %.2f degrees and %.2f Å "
            "(standard deviation of each rotation and shift)",
            *(number, n_shells, np.degrees(prior.angle_sd_radians), prior.shift_sd_angstrom),
        )
        has_settled = moved_share(images.particles, poses) < SETTLED
        images = with_poses(images, poses.rotation, poses.shift_angstrom)
        fit = fit_map(images, volume, model.noise, kernels)
        if number == MAX_PASSES or (has_settled and _choose_shells(fit, max_shells) <= n_shells):
            return RefinedImages(images, poses, prior, number)
        n_shells, number = _choose_shells(fit, max_shells), number + 1
        model = model_of_map(images, volume, fit, n_shells, kernels)


def _choose_shells(fit: MapFit, max_shells: int) -> int:
    """Compare as many shells as images show of the map, within limits."""
    return int(np.clip(fit.n_shells, min(MIN_SHELLS, max_shells), max_shells))


def _warn_of_misfit(
    images: ParticleImages,
    volume: Float32[np.ndarray, "box box box"],
    fit: MapFit,
    kernels: SliceKernels,
) -> None:
    """Say it if images do not show the map, or rather show its mirror image."""
    noise, other = first_noise(images), 0.0
    for flipped in mirrored(volume):
        other = max(other, fit_map(images, flipped, noise, kernels).gain)
    if other > fit.gain + CLEARLY:
        logger.warning(
            "the images agree better with the reference's mirror image (log-likelihood of a "
            "sample %.0f against %.0f): the reference is of the other hand than the poses. "
            "Mirror it, or search the poses with it (cryofocus align search).",
            *(other, fit.gain),
        )
    elif fit.n_shells < MIN_SHELLS:
        logger.warning(
            "the images do not show the reference at their poses: they hardly agree in any "
            "Fourier shell. Check that reference and particles belong together, contrast and CTF; "
            "the poses stay about where they are."
        )
