"""What the products of an image with a slice say of the pose, the intensity being unknown."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from cryofocus.consensus.image_model import ScalePrior

ANY_SCALE = ScalePrior(0.0, float("inf"))
"""Nothing is known of the particles' intensities, nor of the map's grey scale."""


def log_likelihood(
    linear: Float[np.ndarray, "*linear"],
    quadratic: Float[np.ndarray, "*quadratic"],
    prior: ScalePrior,
) -> Float64[np.ndarray, "*batch"]:
    """Log-likelihood at the best intensity s >= 0: `s l - s^2 q/2 - (s - mean)^2 / (2 variance)`.

    The same as `cryofocus.poses.likelihood` maximises. With `ANY_SCALE` it is `l^2 / (2 q)`, half
    the square of the correlation in units of its noise.

    Args:
        linear: l, the product of whitened image and slice; shapes broadcast.
        quadratic: q, the slice's own power as the image would show it.
        prior: Normal distribution of the intensities.
    """
    if prior.variance == 0:
        return np.asarray(prior.mean * linear - 0.5 * prior.mean**2 * quadratic, np.float64)
    sharpness, pull = 1 / prior.variance, prior.mean / prior.variance
    free = np.asarray(linear, np.float64) + pull
    total = np.asarray(quadratic, np.float64) + sharpness
    scale = np.maximum(free, 0) / np.maximum(total, np.finfo(np.float64).tiny)
    return np.asarray(scale * free - 0.5 * scale**2 * total - 0.5 * pull * prior.mean)
