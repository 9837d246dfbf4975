"""Expectation maximisation over classes: a start, and a cycle of M-step and E-step.

Out of random posteriors, cycles under a wide prior come first: deviations that are still faint
would be taken for noise, and the prior would shrink them away. The next cycles learn the prior
(spectrum, support, mixing). Then the prior is fixed, and every further cycle raises the
log-posterior of maps and weights given the images:
`sum_i ln sum_k pi_k exp(L_ik) - |xi|^2/2 + ln p(pi)`, relative to images that hold nothing but
the consensus.

Its maximum is not where most particles are right: maps fit the noise of images that they were
made from, and posteriors believe them. Cycles that refine start once more, count only what images
tell without knowing their classes, and take each image's own part out of its comparison.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.inference.cycles import CycleRecord
from cryofocus.inference.deviations.deviation import Coefficients, DeviationPrior
from cryofocus.inference.deviations.incremental import InsertedSums, insert
from cryofocus.inference.deviations.own_part import Uncertainty, measure_knowledge, own_part
from cryofocus.inference.deviations.prior import SpectrumModel, contrasts, narrow_support
from cryofocus.inference.deviations.problem import FocusProblem
from cryofocus.inference.posterior import (
    class_posteriors,
    class_weight_log_prior,
    estimate_class_weights,
    posterior_change,
)

logger = logging.getLogger(__name__)

# Cycles under a wide prior, until deviations have grown out of random posteriors.
WIDE_CYCLES = 16
# Cycles that learn the prior; after those named in SUPPORT_AFTER the support is drawn anew.
PRIOR_CYCLES = 10
SUPPORT_AFTER = (4, 7)
# Cycles before this one of them are done on the shells that tell most, where they cost less.
EARLY_CYCLES = 6
MAX_HALVINGS = 4
# Cycles that refine, and all once the support is drawn, correct the prior's spectrum by half:
# where the support is small, whole corrections swing.
SETTLING_PACE = 0.5


@dataclass(frozen=True, eq=False)
class EmState:
    """Everything a cycle starts from; a run resumed from it goes on as if never stopped.

    Attributes:
        posteriors: `(particle, n_classes)`.
        coefficients: White coefficients of the fields.
        spectrum: Model of the prior's spectrum.
        support: Support of the prior.
        mixing: Mixing of the prior.
        log_evidence: `(particle,)` log-likelihood over all classes, relative to the consensus.
        n_prior_cycles: Cycles done that learnt the prior; below 0, so many are to come first under
            a wide one.
        objective: Log-posterior after the last cycle under the fixed prior.
        inserted: Sums of slices the last maps were made from.
        began: Posteriors that a run which refines starts from; None takes those it ended with.
        uncertainty: Of the maps, where cycles refine.
    """

    posteriors: Float64[np.ndarray, "particle n_classes"]
    coefficients: Coefficients | None
    spectrum: SpectrumModel
    support: Float32[np.ndarray, "d d d"]
    mixing: Float64[np.ndarray, "n_classes field"]
    log_evidence: Float64[np.ndarray, " particle"]
    n_prior_cycles: int = 0
    objective: float = -np.inf
    inserted: InsertedSums | None = None
    began: Float64[np.ndarray, "particle n_classes"] | None = None
    uncertainty: Uncertainty | None = None

    @property
    def prior(self) -> DeviationPrior:
        """The prior of this state."""
        return DeviationPrior(self.spectrum.spectrum, self.support, self.mixing)

    @property
    def learns_prior(self) -> bool:
        """Whether the next cycle still learns the prior."""
        return self.n_prior_cycles < PRIOR_CYCLES

    @property
    def is_early(self) -> bool:
        """Whether the next cycle needs no more than the shells that tell most."""
        return self.n_prior_cycles < EARLY_CYCLES


def init(
    problem: FocusProblem,
    posteriors: Float64[np.ndarray, "particle n_classes"],
    n_wide_cycles: int = 0,
) -> EmState:
    """Start from posteriors, and from what the problem expects of deviations.

    Args:
        problem: What stays the same.
        posteriors: Of all particles.
        n_wide_cycles: Cycles under a wide prior before it is learnt.
    """
    mixing = contrasts(estimate_class_weights(posteriors))
    nothing = np.zeros(len(posteriors))
    spectrum = problem.spectrum.widened() if n_wide_cycles else problem.spectrum
    return EmState(
        posteriors,
        None,
        spectrum,
        problem.support,
        mixing,
        nothing,
        n_prior_cycles=-n_wide_cycles,
        began=None if n_wide_cycles else posteriors,
    )


def begin_refining(problem: FocusProblem, state: EmState) -> EmState:
    """Start once more from where a run started, with cycles that refine."""
    began = state.posteriors if state.began is None else state.began
    fresh = init(problem, began)
    return replace(fresh, uncertainty=_no_uncertainty(problem, fresh))


def carry_over(problem: FocusProblem, state: EmState) -> EmState:
    """Go on with a finer problem: posteriors and the prior's spectrum are kept, maps made anew."""
    uncertainty = None if state.uncertainty is None else _no_uncertainty(problem, state)
    return replace(
        state,
        coefficients=None,
        spectrum=state.spectrum.carried_over(problem.spectrum.base),
        support=problem.support,
        inserted=None,
        uncertainty=uncertainty,
    )


def _no_uncertainty(problem: FocusProblem, state: EmState) -> Uncertainty:
    return np.zeros((state.mixing.shape[1], problem.space.n_shells))


def step(problem: FocusProblem, state: EmState) -> tuple[EmState, CycleRecord | None]:
    """Do one cycle: an M-step from the state's posteriors, then an E-step to new ones.

    Returns:
        The new state and, where the prior was fixed, what the cycle brought.
    """
    if state.learns_prior:
        return _learn_prior(problem, state), None
    return _climb(problem, state)


def _learn_prior(problem: FocusProblem, state: EmState) -> EmState:
    """One cycle after which the prior is corrected."""
    mixing = contrasts(estimate_class_weights(state.posteriors))
    state = replace(state, mixing=mixing)
    inserted, coefficients = _m_step(problem, state)
    has_support = state.n_prior_cycles >= SUPPORT_AFTER[-1]
    if state.uncertainty is None:
        variance = problem.space.shell_variance(inserted.sums, state.prior)
        pace = SETTLING_PACE if has_support else 1.0
    else:
        power = problem.statistics.kernel_power
        seen = (state.prior, state.posteriors, power)
        known = measure_knowledge(problem.space, inserted.sums, *seen, roughly=not has_support)
        variance, pace = known.variance, SETTLING_PACE
        state = replace(state, uncertainty=known.uncertainty)
    expected = _e_step(problem, state, coefficients)
    space, prior = problem.space, state.prior
    n_done = state.n_prior_cycles + 1
    if n_done > 0:
        strength = space.shell_power(coefficients)
        spectrum = state.spectrum.corrected(space.shell_counts, strength, variance, pace)
    else:
        spectrum = problem.spectrum if n_done == 0 else state.spectrum
    support = state.support
    if n_done in SUPPORT_AFTER:
        support = narrow_support(problem.support, space.fields(coefficients, prior)[:-1])
    logger.debug(
        "prior cycle %d: amplitude %.2f, slope %.2f, posteriors changed by %.4f",
        n_done,
        spectrum.amplitude,
        spectrum.slope,
        posterior_change(state.posteriors, expected.posteriors),
    )
    return replace(
        state,
        posteriors=expected.posteriors,
        log_evidence=expected.log_evidence,
        coefficients=coefficients,
        spectrum=spectrum,
        support=support,
        n_prior_cycles=n_done,
        inserted=inserted,
    )


def _climb(problem: FocusProblem, state: EmState) -> tuple[EmState, CycleRecord]:
    """One cycle under the fixed prior; the log-posterior never falls, unless cycles refine.

    The M-step treats interpolation as diagonal (docs/derivations/maximisation.md), so its
    step may, close to the top, overshoot by a trifle; half the step then does not.
    """
    inserted, coefficients = _m_step(problem, state)
    must_climb = state.coefficients is not None and state.uncertainty is None
    for _ in range(MAX_HALVINGS):
        expected = _e_step(problem, state, coefficients)
        if expected.log_posterior >= state.objective or not must_climb:
            break
        assert state.coefficients is not None  # nothing would have to climb
        coefficients = 0.5 * (coefficients + state.coefficients)
    else:
        assert state.coefficients is not None
        coefficients = state.coefficients
        expected = _Expectation(state.posteriors, state.log_evidence, state.objective)
    record = CycleRecord(
        expected.log_posterior,
        posterior_change(state.posteriors, expected.posteriors),
        tuple(float(w) for w in estimate_class_weights(state.posteriors)),
    )
    state = replace(
        state,
        posteriors=expected.posteriors,
        log_evidence=expected.log_evidence,
        coefficients=coefficients,
        objective=expected.log_posterior,
        inserted=inserted,
    )
    return state, record


def _m_step(problem: FocusProblem, state: EmState) -> tuple[InsertedSums, Coefficients]:
    """Return the most probable maps under the state's posteriors, and the sums they are from."""
    inserted = insert(problem.statistics, state.posteriors, state.inserted)
    solution = problem.space.solve(inserted.sums, state.prior, start=state.coefficients)
    return inserted, solution.coefficients


@dataclass(frozen=True, eq=False)
class _Expectation:
    """Posteriors and evidence under given maps and weights."""

    posteriors: Float64[np.ndarray, "particle n_classes"]
    log_evidence: Float64[np.ndarray, " particle"]
    log_posterior: float


def _e_step(problem: FocusProblem, state: EmState, coefficients: Coefficients) -> _Expectation:
    """Return what follows from new maps and from the weights of the state's posteriors."""
    deviations = problem.space.expand(coefficients, state.prior)
    weights = estimate_class_weights(state.posteriors)
    log_likelihood = problem.statistics.class_log_likelihoods(problem.space.to_grid(deviations))
    posteriors, log_evidence = class_posteriors(log_likelihood, weights)
    if state.uncertainty is not None:
        power = problem.statistics.kernel_power
        own = own_part(state.uncertainty, state.mixing, state.posteriors, power)
        posteriors, _ = class_posteriors(log_likelihood - own, weights)
    log_posterior = (
        float(log_evidence.sum())
        - problem.space.prior_cost(coefficients)
        + class_weight_log_prior(weights)
    )
    return _Expectation(posteriors, log_evidence, log_posterior)
