"""What an image adds to its own comparison, through the maps that it helped to make.

A map holds a little of every image's noise, and agrees with each of its images a little too well:
by the trace of what the image tells, `A_i = P_i^T Q_i P_i`, times the maps' uncertainty. That is
small for one image and class, but always in favour of the class where the image is already, so
that cycles sharpen posteriors beyond what is known. Taken out, an image is compared with maps as
all others make them (cavity; Thouless, Anderson & Palmer 1977; for classes of noisy vectors
Lesieur et al. 2016).

The uncertainty is larger than it would be if classes were known: of what an image tells of a
field only the part counts that does not wait for its class (Louis 1982).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.inference.deviations.deviation import DeviationPrior, DeviationSpace, Mixing
from cryofocus.inference.posterior import estimate_class_weights
from cryofocus.kernels.contract import SliceSums

Uncertainty = Float64[np.ndarray, "field n_shells"]
# What noise brings by chance is at most so many standard deviations more than on the average.
SURE = 2.0


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What the images of the last maximisation determine of the fields.

    Attributes:
        variance: `(n_shells,)` mean posterior variance of white coefficients.
        uncertainty: `(field, n_shells)` of the maps; times the power of an image's kernel in each
            shell it is the trace above.
    """

    variance: Float64[np.ndarray, " n_shells"]
    uncertainty: Uncertainty


def observed_share(
    posteriors: Float64[np.ndarray, "particle n_classes"], mixing: Mixing
) -> Float64[np.ndarray, " field"]:
    """Return how much of the information on each field is there without knowing the classes."""
    known = ((posteriors @ mixing) ** 2).sum(axis=0)
    return np.asarray(known / (posteriors @ mixing**2).sum(axis=0))


def measure_knowledge(
    space: DeviationSpace,
    sums: SliceSums,
    prior: DeviationPrior,
    posteriors: Float64[np.ndarray, "particle n_classes"],
    kernel_power: Float32[np.ndarray, "particle shell"],
    *,
    roughly: bool = False,
) -> Knowledge:
    """Return what images with these posteriors determine.

    Args:
        space: Of the fields.
        sums: Of the slices.
        prior: Under which the maps were made.
        posteriors: With which images were inserted.
        kernel_power: Of each image, in the shells of the space at least.
        roughly: Whether the variance may be too small; what is determined then is too much, many
            times where it is a small part.
    """
    observed = observed_share(posteriors, prior.mixing)
    variance = space.field_variance(sums, prior, observed, roughly=roughly)
    determined = (1 - variance) * space.shell_counts
    inserted = (posteriors @ prior.mixing**2).T @ kernel_power[:, : space.n_shells]
    traces = determined / np.maximum(observed, np.finfo(np.float32).tiny)[:, None]
    uncertainty = np.divide(traces, inserted, out=np.zeros_like(traces), where=inserted > 0)
    return Knowledge(variance.mean(axis=0), uncertainty)


def own_part(
    uncertainty: Uncertainty,
    mixing: Mixing,
    posteriors: Float64[np.ndarray, "particle n_classes"],
    kernel_power: Float32[np.ndarray, "particle shell"],
) -> Float64[np.ndarray, "particle n_classes"]:
    """Return what each image's share in the maps adds to its log-likelihood of each class."""
    trace = np.maximum(kernel_power[:, : uncertainty.shape[1]] @ uncertainty.T, 0)
    return np.asarray((trace * (posteriors @ mixing)) @ mixing.T)


def gain_from_noise(
    space: DeviationSpace,
    sums: SliceSums,
    prior: DeviationPrior,
    posteriors: Float64[np.ndarray, "particle n_classes"],
    apart: tuple[tuple[int, ...], tuple[int, ...]],
    *,
    roughly: bool = False,
) -> float:
    """Return what a difference of two groups of classes gains, at most, where it is but noise.

    A coefficient of which images tell x times what the prior does gains `x / (1 + x) z^2 / 2` in
    log-posterior, z standard normal; its variance is at most its mean. Of what images tell, the
    part counts that does not wait for their classes.

    Args:
        space: Of the fields.
        sums: Of the slices.
        prior: Under which the maps were made.
        posteriors: With which images were inserted.
        apart: The classes of either group.
        roughly: Whether it may be too much.
    """
    weights = estimate_class_weights(posteriors)
    column = np.zeros((len(weights), 1))
    for own, other, sign in ((*apart, 1), (*apart[::-1], -1)):
        column[list(own)] = sign * weights[list(other)].sum()
    # A unit along it costs 1/2, as all coefficients do.
    column /= np.sqrt(weights @ column**2)
    alone = replace(prior, mixing=column)
    observed = observed_share(posteriors, column)
    variance = space.field_variance(sums, alone, observed, roughly=roughly)[0]
    mean = 0.5 * float((1 - variance) @ space.shell_counts)
    return mean + SURE * float(np.sqrt(mean))
