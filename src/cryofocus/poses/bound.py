"""How well poses can be known at best: the Cramér-Rao bound of the model.

No unbiased estimate of a pose has a smaller covariance than the inverse of the Fisher information
(Cramér 1946, Rao 1945): what the images' noise leaves open when map, noise and CTF are known.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.consensus.image_model import fit_residuals
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.noise.power import first_noise, noise_sample
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.likelihood import PoseModel, compare_at_poses
from cryofocus.poses.prior import wide_prior
from cryofocus.poses.reference import make_reference
from cryofocus.poses.result import ROTATIONS, SHIFTS


def pose_bound(
    images: ParticleImages,
    volume: Float32[np.ndarray, "box box box"],
    kernels: SliceKernels,
    which: Int[np.ndarray, " n"],
) -> Float64[np.ndarray, "n 5 5"]:
    """Return the least covariance of the poses of some particles.

    Args:
        images: Prepared images at their true poses.
        volume: The true map, in the grey scale of the images; where particles differ, their mean.
        kernels: Slice kernels of the device.
        which: The particles.

    Returns:
        Parameters as in `Poses.covariance`; at most that of a very wide prior.
    """
    grid = map_to_grid(volume, PADDING * images.particles.box)
    noise, scales = fit_residuals(images, first_noise(images), grid, noise_sample(images), kernels)
    model = PoseModel(
        make_reference(volume, images, images.largest_band().n_shells), noise, scales
    )
    widest = wide_prior(images).information
    found = compare_at_poses(images, model, which, kernels)
    return np.concatenate([np.linalg.inv(one.information + widest) for one in found])


def median_errors(covariance: Float64[np.ndarray, "n 5 5"]) -> tuple[float, float]:
    """Return the median angle in degrees and the median shift in Å of errors so distributed.

    One error is drawn for every particle, with a fixed seed.
    """
    rng = np.random.default_rng(0)
    errors = np.einsum(
        "nab,nb->na", np.linalg.cholesky(covariance), rng.normal(size=covariance.shape[:2])
    )
    angle = np.linalg.norm(errors[:, ROTATIONS], axis=1)
    shift = np.linalg.norm(errors[:, SHIFTS], axis=1)
    return float(np.degrees(np.median(angle))), float(np.median(shift))
