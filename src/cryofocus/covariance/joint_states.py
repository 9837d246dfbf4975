"""Which combinations of present regions there are, how frequent, and which never occur.

A particle that has some of R regions and lacks the others shows a pattern of levels. What its
image measures is that pattern plus noise of known covariance, so the probability of each of the
2^R patterns follows by expectation maximisation, misjudged particles corrected for
(docs/derivations/covariance.md).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

# Patterns double with every region.
MOST_REGIONS = 6
CYCLES, TOLERANCE = 300, 1e-7
NORMAL_95 = 1.96
# Particles of one level differ by this part of the distance between levels, besides the noise.
WITHIN_SHARE = 0.05
# A region follows another when fewer of its particles than this lack the other,
FOLLOWS = 0.1
# and surely fewer than this.
SURELY_FOLLOWS = 0.25

Levels = Float64[np.ndarray, "region 2"]


@dataclass(frozen=True, eq=False)
class JointStates:
    """Probabilities of the combinations of regions.

    Attributes:
        regions: Which regions, as indices into all; the best determined ones if there are many.
        patterns: `(pattern, region)` whether a region is present.
        probability: `(pattern,)`.
        low: Lower ends of their 95 % intervals, from the scores of the particles.
        high: Upper ends.
        errors: `(pattern, pattern)` covariance of the probabilities' errors.
        levels: `(region, 2)` content of each region where it is absent and present, less its mean.
        follows: `(region, region)` the share of particles with the first region that lack the
            second; small where the first occurs only with the second.
        follows_high: Upper ends of their 95 % intervals.
    """

    regions: Int[np.ndarray, " region"]
    patterns: Bool[np.ndarray, "pattern region"]
    probability: Float64[np.ndarray, " pattern"]
    low: Float64[np.ndarray, " pattern"]
    high: Float64[np.ndarray, " pattern"]
    errors: Float64[np.ndarray, "pattern pattern"]
    levels: Levels
    follows: Float64[np.ndarray, "region region"]
    follows_high: Float64[np.ndarray, "region region"]

    def path(self) -> list[tuple[int, int]]:
        """Return pairs (earlier, later) of an order of assembly, as places among the regions.

        The later region occurs only with the earlier one, and not the other way round; steps that
        follow from others are left out.
        """
        only_with = (self.follows < FOLLOWS) & (self.follows_high < SURELY_FOLLOWS)
        later = only_with & ~only_with.T
        n = len(later)
        return [
            (earlier, own)
            for own in range(n)
            for earlier in range(n)
            if later[own, earlier]
            and not any(later[own, other] and later[other, earlier] for other in range(n))
        ]


def find_joint_states(
    values: Float64[np.ndarray, "particle region"],
    noise: Float64[np.ndarray, "particle region region"],
    varies: Bool[np.ndarray, " region"],
    wanted: Collection[int] = (),
) -> JointStates | None:
    """Estimate the probabilities of all combinations of the regions that vary.

    Args:
        values: Contents, one measurement per particle.
        noise: Covariances of their errors.
        varies: Which regions vary.
        wanted: Regions that have to be among them, if they vary, however badly they are measured.

    Returns:
        None with fewer than two regions that vary.
    """
    regions = _choose(values, noise, varies, wanted)
    if len(regions) < 2:
        return None
    x, errors = values[:, regions], noise[np.ix_(np.arange(len(values)), regions, regions)]
    levels = np.stack([_two_levels(x[:, r], errors[:, r, r]) for r in range(len(regions))])
    patterns = _all_patterns(len(regions))
    likelihood = _Likelihood(x, errors, patterns)
    fit = _climb(likelihood, _Fit(np.full(len(patterns), 1 / len(patterns)), levels))
    covariance = _covariance(likelihood, fit)
    reach = NORMAL_95 * np.sqrt(np.diag(covariance))
    follows, gradient = _follows(fit.probability, patterns)
    error = np.sqrt(np.einsum("rsp,pq,rsq->rs", gradient, covariance, gradient, optimize=True))
    return JointStates(
        regions=regions,
        patterns=patterns,
        probability=fit.probability,
        low=np.maximum(fit.probability - reach, 0),
        high=np.minimum(fit.probability + reach, 1),
        errors=covariance,
        levels=fit.levels,
        follows=follows,
        follows_high=follows + NORMAL_95 * error,
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """Probabilities of the patterns, and the regions' levels."""

    probability: Float64[np.ndarray, " pattern"]
    levels: Levels


def _climb(likelihood: _Likelihood, fit: _Fit) -> _Fit:
    """Maximise the likelihood over probabilities and levels, until it gains nothing."""
    before = -np.inf
    for _ in range(CYCLES):
        density, largest = likelihood.of(fit.levels)
        joint = density * fit.probability
        total = joint.sum(axis=1)
        score = float(np.mean(np.log(total) + largest))
        if score < before + TOLERANCE:
            break
        before = score
        posterior = joint / total[:, None]
        fit = _Fit(posterior.mean(axis=0), likelihood.best_levels(posterior, fit.levels))
    return fit


def _choose(
    values: Float64[np.ndarray, "particle region"],
    noise: Float64[np.ndarray, "particle region region"],
    varies: Bool[np.ndarray, " region"],
    wanted: Collection[int],
) -> Int[np.ndarray, " chosen"]:
    """Return the regions that vary, at most six: those wanted, then the best measured."""
    error = np.median(np.diagonal(noise, axis1=1, axis2=2), axis=0)
    quality = values.var(axis=0) / error
    quality[list(wanted)] = np.inf
    quality = np.where(varies, quality, -np.inf)
    best = np.argsort(-quality)[: min(MOST_REGIONS, int(varies.sum()))]
    return np.sort(best)


def _all_patterns(n_regions: int) -> Bool[np.ndarray, "pattern region"]:
    bits = np.arange(2**n_regions)[:, None] >> np.arange(n_regions)
    return np.asarray(bits % 2 == 1)


def _two_levels(
    values: Float64[np.ndarray, " particle"], noise: Float64[np.ndarray, " particle"]
) -> Float64[np.ndarray, " 2"]:
    """Return the levels of a region on its own, from those one standard deviation off."""
    spread = np.sqrt(max(float(np.average((values - values.mean()) ** 2 - noise)), 1e-6))
    levels, share = values.mean() + spread * np.array([-1.0, 1.0]), 0.5
    for _ in range(CYCLES):
        variance = noise + (WITHIN_SHARE * (levels[1] - levels[0])) ** 2
        odds = (values - levels[1]) ** 2 - (values - levels[0]) ** 2
        present = 1 / (1 + (1 / share - 1) * np.exp(np.clip(odds / (2 * variance), -500, 500)))
        weight = np.stack([1 - present, present]) / variance
        before, levels = levels, (weight @ values) / weight.sum(axis=1)
        share = float(np.clip(present.mean(), 1e-3, 1 - 1e-3))
        if np.abs(levels - before).max() < TOLERANCE * spread:
            break
    return np.sort(levels)


class _Likelihood:
    """Normal densities of all particles' measurements under all patterns."""

    def __init__(
        self,
        values: Float64[np.ndarray, "particle region"],
        noise: Float64[np.ndarray, "particle region region"],
        patterns: Bool[np.ndarray, "pattern region"],
    ) -> None:
        self._values, self._noise, self._patterns = values, noise, patterns

    def of(
        self, levels: Levels
    ) -> tuple[Float64[np.ndarray, "particle pattern"], Float64[np.ndarray, " particle"]]:
        """Return densities over each particle's largest one, and that one's logarithm."""
        precision = self._precision(levels)
        centre = np.where(self._patterns, levels[:, 1], levels[:, 0])
        pulled = np.einsum("nij,nj->ni", precision, self._values)
        log_density = pulled @ centre.T
        log_density -= 0.5 * np.einsum("pi,nij,pj->np", centre, precision, centre, optimize=True)
        log_density -= 0.5 * (pulled * self._values).sum(axis=1)[:, None]
        log_density += 0.5 * np.linalg.slogdet(precision)[1][:, None]
        largest = log_density.max(axis=1)
        return np.exp(log_density - largest[:, None]), largest

    def best_levels(
        self, posterior: Float64[np.ndarray, "particle pattern"], levels: Levels
    ) -> Levels:
        """Return the levels that are most likely given the patterns' posteriors."""
        precision = self._precision(levels)
        n_regions = len(levels)
        design = np.concatenate([~self._patterns, self._patterns], axis=1).astype(float)
        pairs = np.einsum("np,pa,pb->nab", posterior, design, design, optimize=True)
        left = np.einsum("nab,nab->ab", pairs, np.tile(precision, (1, 2, 2)))
        pulled = np.einsum("nij,nj->ni", precision, self._values)
        right = ((posterior @ design) * np.tile(pulled, (1, 2))).sum(axis=0)
        ridge = 1e-9 * np.trace(left) / len(left)
        found = np.linalg.solve(left + ridge * np.eye(len(left)), right)
        return np.sort(found.reshape(2, n_regions).T, axis=1)

    def level_scores(
        self, posterior: Float64[np.ndarray, "particle pattern"], levels: Levels
    ) -> Float64[np.ndarray, "particle level"]:
        """Return each particle's gradient of the log-likelihood by the levels."""
        precision = self._precision(levels)
        centre = np.where(self._patterns, levels[:, 1], levels[:, 0])
        design = np.concatenate([~self._patterns, self._patterns], axis=1).astype(float)
        pulled = np.einsum("nij,nj->ni", precision, self._values)
        toward = np.einsum("nij,pj->nip", precision, centre, optimize=True)
        seen = np.einsum(
            "np,pa,nap->na", posterior, design, np.tile(toward, (1, 2, 1)), optimize=True
        )
        return np.asarray((posterior @ design) * np.tile(pulled, (1, 2)) - seen)

    def _precision(self, levels: Levels) -> Float64[np.ndarray, "particle region region"]:
        within = (WITHIN_SHARE * (levels[:, 1] - levels[:, 0])) ** 2
        return np.linalg.inv(self._noise + np.diag(within))


def _covariance(likelihood: _Likelihood, fit: _Fit) -> Float64[np.ndarray, "pattern pattern"]:
    """Return the covariance of the probabilities' errors, levels estimated with them.

    The inverse of the scores' products. Of patterns that have gone the score at zero counts: how
    far they could come back unnoticed.
    """
    density, _ = likelihood.of(fit.levels)
    total = density @ fit.probability
    # Probabilities sum to one: all are measured against the most frequent.
    reference = int(fit.probability.argmax())
    ratio = density / total[:, None]
    others = np.delete(np.arange(len(fit.probability)), reference)
    of_probabilities = ratio[:, others] - ratio[:, [reference]]
    of_levels = likelihood.level_scores(ratio * fit.probability, fit.levels)
    scores = np.concatenate([of_probabilities, of_levels], axis=1)
    scale = np.sqrt((scores**2).sum(axis=0)) + np.finfo(float).tiny
    inverse = np.linalg.pinv((scores / scale).T @ (scores / scale), rcond=1e-6, hermitian=True)
    own = (inverse / np.outer(scale, scale))[: len(others), : len(others)]
    spread = np.zeros((len(fit.probability), len(others)))
    spread[others, np.arange(len(others))] = 1.0
    spread[reference] = -1.0
    return np.asarray(spread @ own @ spread.T)


def _follows(
    probability: Float64[np.ndarray, " pattern"], patterns: Bool[np.ndarray, "pattern region"]
) -> tuple[Float64[np.ndarray, "region region"], Float64[np.ndarray, "region region pattern"]]:
    """Return the share of particles with the first region that lack the second, its gradient."""
    present = patterns.astype(float)
    alone = present[:, :, None] * (1 - present[:, None, :])
    of_first = np.maximum(probability @ present, 1e-9)
    share = np.einsum("p,prs->rs", probability, alone) / of_first[:, None]
    gradient = np.moveaxis(alone - share * present[:, :, None], 0, 2) / of_first[:, None, None]
    return np.asarray(share), np.asarray(gradient)
