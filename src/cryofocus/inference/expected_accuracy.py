"""How many particles can be put into their true class, if the classes are as found.

For each image a true class is drawn with the classes' weights, and what the image would then say
is drawn from the model: with overlaps Q of the class maps in that image, log-likelihoods are
normal around `Q_k - diag(Q) / 2` with covariance Q. The best anybody can do is to choose the most
probable class. No image enters but through its pose, CTF and noise, so this is what such images
allow; posteriors that claim more, claim too much.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.posterior import class_posteriors
from cryofocus.maths.copies import EffectiveClasses

# Images drawn at least, however few particles there are.
LEAST_DRAWN = 10_000


def expected_accuracy(
    moments: ClassMoments,
    class_weights: Float64[np.ndarray, " n_classes"],
    effective: EffectiveClasses,
    generator: np.random.Generator,
) -> float:
    """Return the fraction of particles that can be put into their true effective class.

    Args:
        moments: What the images say of the class maps; only the overlaps are used.
        class_weights: Of the classes.
        effective: Classes that count as one.
        generator: Of the draws.
    """
    counted = moments.quadratic.any(axis=(1, 2))  # the others say nothing, so nothing of them
    quadratic = moments.quadratic if counted.all() else moments.quadratic[counted]
    n = len(quadratic)
    if n == 0:
        return float(effective.merge(class_weights[None]).max())
    root = _square_roots(quadratic)
    own = 0.5 * np.einsum("nkk->nk", quadratic)
    n_draws = max(1, -(-LEAST_DRAWN // n))
    total = 0.0
    for _ in range(n_draws):
        truth = generator.choice(len(class_weights), size=n, p=class_weights)
        noise = np.einsum("nkj,nj->nk", root, generator.standard_normal(own.shape))
        drawn = quadratic[np.arange(n), truth] - own + noise
        posteriors, _ = class_posteriors(drawn, class_weights)
        total += float(effective.merge(posteriors).max(axis=1).mean())
    return total / n_draws


def _square_roots(
    matrices: Float64[np.ndarray, "n k k"],
) -> Float64[np.ndarray, "n k k"]:
    """Return roots of overlaps, which may be singular and round to slightly negative values."""
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[:, None, :])
