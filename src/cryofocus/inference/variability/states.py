"""How many states a region has, judged by particles from which its subspace was not found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from cryofocus.inference.deviations.mixture import fit_mixture
from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.factors.moments import Moments
from cryofocus.inference.variability.latent import count_real_axes, log_evidence

MAX_STATES = 6
# Kass & Raftery (1995): a difference in BIC of more than 10 is very strong evidence.
DECISIVE = 10.0


@dataclass(frozen=True)
class StatesEstimate:
    """How many states explain a region best.

    Attributes:
        best: Number of states of lowest BIC; 1 where nothing varies.
        lowest: Smallest number that cannot be ruled out: each half set's own best cannot, nor
            those whose BIC is within 10 of the lowest.
        highest: Largest such number.
        is_continuous: A normal distribution of coordinates explains the region better than any of
            these numbers of states.
    """

    best: int
    lowest: int
    highest: int
    is_continuous: bool


def estimate_states(halves: Sequence[Subspace], generator: np.random.Generator) -> StatesEstimate:
    """Estimate the number of states by BIC (Schwarz 1978).

    Args:
        halves: For each half set, the moments of its particles in the subspace of the *other* half
            set, axes by falling information; so what fits is not the noise that made the axes.
        generator: Of the mixtures' random starts.
    """
    n_axes = count_real_axes([Moments(half.linear, half.quadratic) for half in halves])
    tables = [_criteria(half, n_axes, generator) for half in halves]
    bic = np.sum([table.states for table in tables], axis=0)
    near = np.flatnonzero(bic < bic.min() + DECISIVE) + 1
    own = [int(table.states.argmin()) + 1 for table in tables]
    return StatesEstimate(
        best=int(bic.argmin()) + 1,
        lowest=int(min(near.min(), *own)),
        highest=int(max(near.max(), *own)),
        is_continuous=sum(table.continuous for table in tables) < float(bic.min()) - DECISIVE,
    )


@dataclass(frozen=True, eq=False)
class _Criteria:
    """BIC of 1, 2, ... states, and of a normal distribution of coordinates."""

    states: Float64[np.ndarray, " k"]
    continuous: float


def _criteria(half: Subspace, n_axes: int, generator: np.random.Generator) -> _Criteria:
    # One state is the consensus itself: it has nothing to fit.
    bic = np.full(MAX_STATES, np.inf)
    bic[0] = 0.0
    if n_axes == 0:
        return _Criteria(bic, 0.0)
    used = Subspace(
        half.deviations[:n_axes],
        half.linear[:, :n_axes],
        half.quadratic[:, :n_axes, :n_axes],
        half.information[:n_axes],
        half.n_cycles,
    )
    for n_states in range(2, MAX_STATES + 1):
        mixture = fit_mixture(used, n_states, generator)
        evidence = mixture.log_posterior + 0.5 * float((mixture.centres**2).sum())
        n_parameters = n_states * n_axes + n_states - 1
        bic[n_states - 1] = -2 * evidence + n_parameters * np.log(len(used.linear))
    return _Criteria(bic, -2 * float(log_evidence(used.linear, used.quadratic).sum()))
