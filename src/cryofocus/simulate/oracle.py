"""The Bayes classifier that knows every map, the noise, the CTF and the poses.

Why there are two of it: docs/evaluation.md.

Images are linear in the parts. With P the part projections times the CTF and W the inverse noise
variance, state s with amplitudes v has the log-likelihood

    L_s = v.b - v.G v / 2,   b = Re <P, W Y>,   G = Re <P, W P>   (sums over the full plane),

so an image's 64 states cost one vector and one small matrix. Class posteriors sum over every
state of the rest, each with its prior.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex64, Float, Float32
from scipy.special import logsumexp

from cryofocus.maths.fourier import forward_2d, hermitian_weights
from cryofocus.simulate.states import Scenario, part_amplitudes


def part_statistics(
    images: Float32[np.ndarray, "n box box"],
    parts: Complex64[np.ndarray, "n parts box half"],
    ctf: Float32[np.ndarray, "n box half"],
    variance: Float32[np.ndarray, "n box half"],
) -> tuple[Float[np.ndarray, "n parts"], Float[np.ndarray, "n parts parts"]]:
    """Return the matched filters b and the Gram matrices G of the parts of each image.

    Parts are projected at the true poses, before the CTF; `ctf` is CTF times envelope, `variance`
    that of the noise of each coefficient.
    """
    n, n_parts = parts.shape[:2]
    whitening = np.sqrt(hermitian_weights(images.shape[-1]) / variance)
    seen = (parts * (whitening * ctf)[:, None]).reshape(n, n_parts, -1).view(np.float32)
    data = forward_2d(images) * whitening
    matched = np.einsum("npk,nk->np", seen, data.reshape(n, -1).view(np.float32))
    return matched.astype(np.float64), (seen @ seen.transpose(0, 2, 1)).astype(np.float64)


def state_log_likelihood(
    matched: Float[np.ndarray, "n parts"],
    gram: Float[np.ndarray, "n parts parts"],
    amplitudes: Float[np.ndarray, "states parts"],
) -> Float[np.ndarray, "n states"]:
    """Log-likelihood of every state of every image, up to a constant of the image."""
    quadratic = np.einsum("sp,npq,sq->ns", amplitudes, gram, amplitudes, optimize=True)
    return np.asarray(matched @ amplitudes.T - 0.5 * quadratic)


def class_posteriors(
    log_likelihood: Float[np.ndarray, "n states"],
    scenario: Scenario,
    prior: Float[np.ndarray, " states"],
) -> Float32[np.ndarray, "n classes"]:
    """Posterior of the near unit's class, summed over the states of everything else.

    Args:
        log_likelihood: For each of `scenario.states`.
        scenario: Tells the class of each state.
        prior: `scenario.prior` for the full oracle, `scenario.focused_prior` for the focused one.

    Returns:
        Rows sum to one.
    """
    possible = prior > 0.0
    joint = log_likelihood[:, possible] + np.log(prior[possible])
    classes = scenario.unit_class(scenario.states[possible])
    per_class = np.stack(
        [logsumexp(joint[:, classes == k], axis=1) for k in range(scenario.n_classes)], axis=1
    )
    normalised = per_class - logsumexp(per_class, axis=1, keepdims=True)
    return np.asarray(np.exp(normalised), dtype=np.float32)


def oracle_posteriors(
    matched: Float[np.ndarray, "n parts"],
    gram: Float[np.ndarray, "n parts parts"],
    scenario: Scenario,
) -> tuple[Float32[np.ndarray, "n classes"], Float32[np.ndarray, "n classes"]]:
    """Return the posteriors of the full oracle and of the one that uses the focus region only."""
    amplitudes = part_amplitudes(scenario.states).astype(np.float64)
    likelihood = state_log_likelihood(matched, gram, amplitudes)
    full = class_posteriors(likelihood, scenario, scenario.prior)
    return full, class_posteriors(likelihood, scenario, scenario.focused_prior)
