"""Posteriors that allow for images that differ from their class by more than noise.

Posteriors are right where an image is its class's map, seen through its pose and CTF, plus noise.
Where poses are off, or something varies that the classes do not describe, images scatter more
about their class than noise does; where a prior holds maps back, they lie farther out than the
maps say. Both show in the images of the set itself, without knowing their classes: along the
differences of the maps they are a mixture of normal distributions, of which the spread and the
distances are estimated (docs/derivations/calibration.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize

from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.posterior import class_posteriors

# Images looked at, at most; evenly spaced among all.
MOST_IMAGES = 20_000
# Standard deviations of the logarithms of gain and spread to expect, which hold them where images
# tell little; sets of every kind had gains of 0.94 to 1.04 and spreads of 1.0 to 1.6.
EXPECTED = np.array([0.1, 0.3])
# Of an image's largest, what the information on a difference has to be to count.
LEAST_SHARE = 1e-3
# Far below what moves a posterior by 1e-5: ranges of particles make the same numbers.
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Calibration:
    """How images lie about their classes, and what they say when that is taken into account.

    Attributes:
        gain: Distance of images from the mean of the classes, relative to that of the maps.
        spread: Variance of images about their class, relative to that of noise.
        moments: What the images say of the maps less their mean.
        posteriors: Of the classes.
    """

    gain: float
    spread: float
    moments: ClassMoments
    posteriors: Float64[np.ndarray, "particle n_classes"]


def calibrate(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> Calibration:
    """Estimate how images lie about their classes, by maximum likelihood.

    Args:
        moments: What the images say of the class maps, each without what it put into them itself.
        class_weights: Of the classes.
    """
    about_mean = _take_from_mean(moments, class_weights)
    every = -(-len(moments.linear) // MOST_IMAGES)
    few = _Sample(about_mean.linear[::every], about_mean.quadratic[::every], class_weights)
    logs = minimize(few.cost, np.zeros(2), method="Nelder-Mead", tol=TOLERANCE).x
    gain, spread = np.exp(logs).tolist()
    told = ClassMoments(
        gain / spread * about_mean.linear,
        gain**2 / spread * about_mean.quadratic,
        about_mean.prior,
    )
    posteriors, _ = class_posteriors(told.log_likelihood, class_weights)
    return Calibration(gain, spread, told, posteriors)


def _take_from_mean(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> ClassMoments:
    """Return what images without the classes' mean map say of the maps without it."""
    linear = moments.linear - moments.quadratic @ class_weights
    return replace(moments, linear=linear).less_mean(class_weights)


class _Sample:
    """Images by which gain and spread are judged."""

    def __init__(
        self,
        linear: Float64[np.ndarray, "image n_classes"],
        quadratic: Float64[np.ndarray, "image n_classes n_classes"],
        class_weights: Float64[np.ndarray, " n_classes"],
    ) -> None:
        values, vectors = np.linalg.eigh(quadratic)
        # Maps without their mean have a difference less than there are classes.
        counts = values > LEAST_SHARE * values[:, -1:]
        along = np.einsum("nkj,nk->nj", vectors, linear)
        scatter = np.divide(along**2, values, out=np.zeros_like(along), where=counts)
        self._linear, self._weights = linear, class_weights
        self._own = 0.5 * np.einsum("nkk->nk", quadratic)
        self._scatter, self._n_differences = float(scatter.sum()), int(counts.sum())

    def cost(self, logs: Float64[np.ndarray, " 2"]) -> float:
        """Return the negative log-posterior of the logarithms of gain and spread."""
        gain, spread = np.exp(logs)
        told = gain / spread * self._linear - gain**2 / spread * self._own
        _, evidence = class_posteriors(told, self._weights)
        normal = 0.5 * (self._scatter / spread + self._n_differences * logs[1])
        return float(normal - evidence.sum() + 0.5 * ((logs / EXPECTED) ** 2).sum())
