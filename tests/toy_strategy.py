"""A strategy as somebody outside would write it: two heaps of particles by their residual's power.

It is good for nothing but to show that a strategy is one file and one entry in `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cryofocus.consensus.ground import Ground
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.cycles import CycleRecord
from cryofocus.inference.posterior import (
    class_posteriors,
    estimate_class_weights,
    posterior_change,
    random_posteriors,
)
from cryofocus.inference.strategy import Strategy


@dataclass(frozen=True, eq=False)
class ToyState:
    """Posteriors, and what a particle tells."""

    posteriors: np.ndarray
    log_evidence: np.ndarray


@dataclass(frozen=True, eq=False)
class ToyComparison:
    """`Comparison` by one number per particle."""

    power: np.ndarray
    plan: RunPlan
    n_prior_cycles: int = 0
    match: None = None

    @property
    def scale(self) -> np.ndarray:
        """Return equal intensities."""
        return np.ones(len(self.power), np.float32)

    def start(self, run: int, advance: Advance = uncounted) -> ToyState:
        """Start at random."""
        del advance  # it takes no time
        n, n_classes = len(self.power), self.plan.n_classes
        return self.begin(random_posteriors(n, n_classes, self.plan.generator(run)))

    def begin(self, posteriors: np.ndarray) -> ToyState:
        """Start from posteriors."""
        return ToyState(posteriors, np.zeros(len(posteriors)))

    def step(self, state: ToyState) -> tuple[ToyState, CycleRecord]:
        """Do an M-step and an E-step of normal distributions of variance 1."""
        before, weights = state.posteriors, estimate_class_weights(state.posteriors)
        centres = (before * self.power[:, None]).sum(axis=0) / before.sum(axis=0)
        log_likelihood = -0.5 * (self.power[:, None] - centres) ** 2
        posteriors, evidence = class_posteriors(log_likelihood, weights)
        moved = posterior_change(before, posteriors)
        record = CycleRecord(float(evidence.sum()), moved, tuple(weights.tolist()))
        return ToyState(posteriors, evidence), record

    def finish(self, state: ToyState) -> ToyState:
        """Return the state."""
        return state

    def pack(self, state: ToyState) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {"posteriors": state.posteriors, "log_evidence": state.log_evidence}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> ToyState:
        """Return what was packed."""
        return ToyState(arrays["posteriors"], arrays["log_evidence"])


def prepare(ground: Ground, plan: RunPlan) -> ToyComparison:
    """Measure the power of every residual."""
    consensus = ground.consensus
    background = whole_consensus(consensus, ground.kernels)
    band = consensus.images.largest_band()
    power = [
        (np.abs(residual.data[0]) ** 2).sum(axis=1)
        for residual in matched_residuals(background, consensus.image_model, band)
    ]
    joined = np.concatenate(power).astype(np.float64)
    return ToyComparison((joined - joined.mean()) / joined.std(), plan)


TOY = Strategy(
    name="toy",
    summary="two heaps.",
    prepare=prepare,
    start="random",
    needs_region=False,
    compares_whole_maps=True,
    can_be_sharded=False,
    objective="log-likelihood",
)
