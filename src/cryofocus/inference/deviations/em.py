"""Expectation maximisation over classes: init, step, terminate, result.

The first cycles also learn the prior (spectrum, support, mixing). Then the prior is fixed, and
every further cycle raises the log-posterior of maps and weights given the images:
`sum_i ln sum_k pi_k exp(L_ik) - |xi|^2/2 + ln p(pi)`, relative to images that hold nothing but
the consensus.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.inference.deviations.deviation import Coefficients, DeviationPrior
from cryofocus.inference.deviations.incremental import InsertedSums, insert
from cryofocus.inference.deviations.prior import (
    SpectrumModel,
    contrasts,
    correct_spectrum,
    narrow_support,
)
from cryofocus.inference.deviations.problem import FocusProblem
from cryofocus.inference.posterior import (
    class_posteriors,
    class_weight_log_prior,
    estimate_class_weights,
    posterior_change,
)
from cryofocus.inference.strategy import CycleRecord, reason_to_stop

logger = logging.getLogger(__name__)

# Cycles that learn the prior; after those named in SUPPORT_AFTER the support is drawn anew.
PRIOR_CYCLES = 10
SUPPORT_AFTER = (4, 7)
MAX_HALVINGS = 4


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
        n_prior_cycles: Cycles done that learnt the prior.
        history: Cycles done since.
        inserted: Sums of slices the last maps were made from.
    """

    posteriors: Float64[np.ndarray, "particle n_classes"]
    coefficients: Coefficients | None
    spectrum: SpectrumModel
    support: Float32[np.ndarray, "d d d"]
    mixing: Float64[np.ndarray, "n_classes field"]
    log_evidence: Float64[np.ndarray, " particle"]
    n_prior_cycles: int = 0
    history: tuple[CycleRecord, ...] = ()
    inserted: InsertedSums | None = None

    @property
    def prior(self) -> DeviationPrior:
        """The prior of this state."""
        return DeviationPrior(self.spectrum.spectrum, self.support, self.mixing)

    @property
    def learns_prior(self) -> bool:
        """Whether the next cycle still learns the prior."""
        return self.n_prior_cycles < PRIOR_CYCLES


def init(problem: FocusProblem, posteriors: Float64[np.ndarray, "particle n_classes"]) -> EmState:
    """Start from posteriors, and from what the problem expects of deviations."""
    mixing = contrasts(estimate_class_weights(posteriors))
    nothing = np.zeros(len(posteriors))
    return EmState(posteriors, None, problem.spectrum, problem.support, mixing, nothing)


def step(problem: FocusProblem, state: EmState) -> EmState:
    """Do one cycle: maximise over maps and weights, then take new posteriors."""
    return _learn_prior(problem, state) if state.learns_prior else _climb(problem, state)


def terminate(state: EmState, max_cycles: int, tolerance: float) -> str | None:
    """Return why the run is over, or None while it is not."""
    if state.learns_prior:
        return None
    return reason_to_stop(state.history, max_cycles, tolerance)


def describe(state: EmState) -> str:
    """Say where a run is, in a few words."""
    if not state.history:
        return f"learning the prior, {state.n_prior_cycles} of {PRIOR_CYCLES}"
    last = state.history[-1]
    return f"log-posterior {last.log_posterior:.2f}, change {last.posterior_change:.4f}"


def _learn_prior(problem: FocusProblem, state: EmState) -> EmState:
    """One cycle after which the prior is corrected."""
    mixing = contrasts(estimate_class_weights(state.posteriors))
    state = replace(state, mixing=mixing)
    inserted = insert(problem.statistics, state.posteriors, state.inserted)
    space, prior, sums = problem.space, state.prior, inserted.sums
    coefficients = space.solve(sums, prior, start=state.coefficients).coefficients
    expected = _expect(problem, state, coefficients)
    spectrum = correct_spectrum(space, state.spectrum, prior, sums, coefficients)
    n_done = state.n_prior_cycles + 1
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


def _climb(problem: FocusProblem, state: EmState) -> EmState:
    """One cycle under the fixed prior; the log-posterior never falls.

    The maximisation treats interpolation as diagonal (docs/derivations/maximisation.md), so its
    step may, close to the top, overshoot by a trifle; half the step then does not.
    """
    inserted = insert(problem.statistics, state.posteriors, state.inserted)
    solution = problem.space.solve(inserted.sums, state.prior, start=state.coefficients)
    before = state.history[-1].log_posterior if state.history else -np.inf
    coefficients = solution.coefficients
    for _ in range(MAX_HALVINGS):
        expected = _expect(problem, state, coefficients)
        if expected.log_posterior >= before or state.coefficients is None:
            break
        coefficients = 0.5 * (coefficients + state.coefficients)
    else:
        assert state.coefficients is not None
        coefficients = state.coefficients
        expected = _Expectation(state.posteriors, state.log_evidence, before)
    record = CycleRecord(
        expected.log_posterior,
        posterior_change(state.posteriors, expected.posteriors),
        tuple(float(w) for w in estimate_class_weights(state.posteriors)),
    )
    return replace(
        state,
        posteriors=expected.posteriors,
        log_evidence=expected.log_evidence,
        coefficients=coefficients,
        history=(*state.history, record),
        inserted=inserted,
    )


@dataclass(frozen=True, eq=False)
class _Expectation:
    """Posteriors and evidence under given maps and weights."""

    posteriors: Float64[np.ndarray, "particle n_classes"]
    log_evidence: Float64[np.ndarray, " particle"]
    log_posterior: float


def _expect(problem: FocusProblem, state: EmState, coefficients: Coefficients) -> _Expectation:
    """Return what follows from new maps and from the weights of the state's posteriors."""
    deviations = problem.space.expand(coefficients, state.prior)
    weights = estimate_class_weights(state.posteriors)
    log_likelihood = problem.statistics.class_log_likelihoods(problem.space.to_grid(deviations))
    posteriors, log_evidence = class_posteriors(log_likelihood, weights)
    log_posterior = (
        float(log_evidence.sum())
        - problem.space.prior_cost(coefficients)
        + class_weight_log_prior(weights)
    )
    return _Expectation(posteriors, log_evidence, log_posterior)
