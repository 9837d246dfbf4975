"""How far the shares of classes may be off: by chance, and because maps are held back.

Particles are a sample, classes are uncertain, and so are the maps by which they are told. All
three are in the observed information on shares and on maps together, of which maps may change
within what the classes span. Besides, a prior holds maps towards the consensus. Where a content is
in few of the classes, the consensus is close to those without it, so that the boundary moves and
too many images seem to have it. How far shares move when maps are let go is the second part
(docs/derivations/class-shares.md).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.deviations.mixture import Mixture, MixtureMoments

# Images looked at, at most; evenly spaced among all.
MOST_IMAGES = 20_000
N_CYCLES = 200
# Of the information on combinations of maps: enough where they are one another's copies.
LEAST_PRECISION = 1e-6


def estimate_share_errors(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> Float64[np.ndarray, " n_classes"]:
    """Return the standard error of each class's share of the population that images are from.

    Args:
        moments: What the images say of combinations of the class maps.
        class_weights: Of the classes.
    """
    n_all, n_classes = moments.linear.shape
    if n_classes == 1:
        return np.zeros(1)
    every = -(-n_all // MOST_IMAGES)
    linear, quadratic = moments.linear[::every], moments.quadratic[::every]
    information = np.einsum("nkk->", quadratic) / n_classes
    packed = MixtureMoments(linear, quadratic, LEAST_PRECISION * float(information))
    held = packed.cycle_weights(np.eye(n_classes), class_weights, N_CYCLES)
    free = packed.cycle(held, N_CYCLES)
    by_chance = _standard_errors(linear, quadratic, free) * np.sqrt(len(linear) / n_all)
    moved = free.posteriors.mean(axis=0) - held.posteriors.mean(axis=0)
    # Nothing between 0 and 1 varies more about such a mean.
    most = np.sqrt(class_weights * (1 - class_weights))
    return np.asarray(np.minimum(np.hypot(by_chance, moved), most))


def widen_for_copies(
    posteriors: Float64[np.ndarray, "image n_classes"],
    parent_of_particle: Int[np.ndarray, " image"],
) -> Float64[np.ndarray, " n_classes"]:
    """Return by what errors grow because copies of a particle tend to be in the same class.

    Args:
        posteriors: Of the classes.
        parent_of_particle: Equal numbers: symmetry copies of one particle.

    Returns:
        1 where copies are as independent as particles; up to the root of their number.
    """
    _, parents = np.unique(parent_of_particle, return_inverse=True)
    off = (posteriors - posteriors.mean(axis=0)).T
    alone = (off**2).sum(axis=1)
    together = np.array([(np.bincount(parents, one) ** 2).sum() for one in off])
    return np.asarray(np.sqrt(np.maximum(together, alone) / np.maximum(alone, 1e-12)))


def _standard_errors(
    linear: Float64[np.ndarray, "image n_classes"],
    quadratic: Float64[np.ndarray, "image n_classes n_classes"],
    mixture: Mixture,
) -> Float64[np.ndarray, " n_classes"]:
    """Return errors of the shares by the observed information, that of the maps taken off."""
    posteriors, centres = mixture.posteriors, mixture.centres
    n_images, n_classes = posteriors.shape
    # Shares have the sum 1: those of all classes but the last are free.
    free = np.vstack([np.eye(n_classes - 1), np.full(n_classes - 1, -1.0)])
    of_shares = posteriors / np.maximum(posteriors.mean(axis=0), 1 / n_images) @ free
    misfit = linear[:, None, :] - np.einsum("kj,njl->nkl", centres, quadratic)
    of_maps = (posteriors[:, :, None] * misfit).reshape(n_images, -1)
    scores = np.hstack([of_shares, of_maps])
    information = scores.T @ scores
    largest = np.diagonal(information).copy()
    largest[largest <= 0] = 1.0
    information[np.diag_indices_from(information)] += LEAST_PRECISION * largest
    covariance = np.linalg.inv(information)[: n_classes - 1, : n_classes - 1]
    return np.asarray(np.sqrt(np.maximum(np.einsum("ka,ab,kb->k", free, covariance, free), 0)))
