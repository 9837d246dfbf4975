"""Classes as deviations from the consensus, compared with residuals: the default path.

Prepared images -> small-box statistics -> a random subspace -> a mixture in it -> full cycles.
What is taken out of the images (`background`) makes several strategies of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.arrays import AnyArray
from cryofocus.consensus.background import Background
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import ImageMatch, choose_bands
from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.comparison import ClassMoments, OwnNoise, RunPlan
from cryofocus.inference.cycles import CycleRecord
from cryofocus.inference.deviations import em
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.incremental import InsertedSums, insert
from cryofocus.inference.deviations.mixture import fit_mixture
from cryofocus.inference.deviations.own_part import gain_from_noise, own_part
from cryofocus.inference.deviations.prior import SpectrumModel
from cryofocus.inference.deviations.problem import FocusProblem, state_problem
from cryofocus.inference.deviations.subspace import fit_subspace
from cryofocus.inference.posterior import class_posteriors, random_posteriors
from cryofocus.inference.references import scale_references
from cryofocus.inference.strategy import Storage
from cryofocus.kernels.contract import SliceSums

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ResidualComparison:
    """`Comparison` on the small-box statistics of residuals.

    Attributes:
        problem: Statistics, space of deviations, and what is expected of them.
        plan: Where runs start.
        references: `(n_classes, d, d, d)` deviations the first run starts from, or None.
        coarse: The problem on the shells that tell most, where starts are searched and the first
            cycles done; None where that would save nothing.
    """

    problem: FocusProblem
    plan: RunPlan
    references: Float32[np.ndarray, "n_classes d d d"] | None = None
    coarse: FocusProblem | None = None

    @property
    def scale(self) -> Float32[np.ndarray, " particle"]:
        """Intensity scale of each particle."""
        return self.problem.statistics.scale

    @property
    def match(self) -> ImageMatch | None:
        """How well each image matches the consensus."""
        return self.problem.statistics.match

    @property
    def bytes_per_particle(self) -> int:
        """What is held of each particle."""
        coarse = 0 if self.coarse is None else self.coarse.statistics.bytes_per_particle
        return self.problem.statistics.bytes_per_particle + coarse

    def with_classes(self, n_classes: int) -> ResidualComparison:
        """Return the same comparison for another number of classes."""
        return replace(self, plan=replace(self.plan, n_classes=n_classes))

    def take(self, which: Int[np.ndarray, " m"]) -> ResidualComparison:
        """Return the comparison of some of the particles; it starts without references."""
        coarse = None if self.coarse is None else self.coarse.take(which)
        return replace(self, problem=self.problem.take(which), coarse=coarse, references=None)

    @property
    def _first(self) -> FocusProblem:
        """The problem that runs start with."""
        return self.coarse or self.problem

    def class_moments(self, state: em.EmState) -> ClassMoments:
        """Return what the particles say of a state's maps."""
        assert state.coefficients is not None  # there are from the first cycle on
        space = self.problem.space
        grid = space.to_grid(space.expand(state.coefficients, state.prior))
        mixing = state.prior.mixing
        prior = mixing @ space.inner_products(state.coefficients) @ mixing.T
        return ClassMoments(*self.problem.statistics.latent_moments(grid), prior)

    def own_moments(self, state: em.EmState) -> ClassMoments:
        """Return the same of the particles that the maps are from, without their own part."""
        moments = self.class_moments(state)
        if state.uncertainty is None:
            return moments
        power = self.problem.statistics.kernel_power
        own = own_part(state.uncertainty, state.mixing, state.posteriors, power)
        return replace(moments, linear=moments.linear - own)

    def own_noise(self, state: em.EmState) -> OwnNoise:
        """Return what tells whether groups of classes may be apart by noise alone."""
        problem = self.problem

        @cache
        def summed() -> SliceSums:
            return insert(problem.statistics, state.posteriors, state.inserted).sums

        def may_gain(first: tuple[int, ...], second: tuple[int, ...], gain: float) -> bool:
            known = summed(), state.prior, state.posteriors
            # Most states gain more than even the bound, which costs little.
            return all(
                gain <= gain_from_noise(problem.space, *known, (first, second), roughly=roughly)
                for roughly in (True, False)
            )

        return may_gain

    @property
    def n_prior_cycles(self) -> int:
        """Cycles at the beginning of a run that learn the prior."""
        return em.PRIOR_CYCLES + (em.WIDE_CYCLES if self.plan.start == "random" else 0)

    def start(self, run: int, advance: Advance = uncounted) -> em.EmState:
        """Start the first run from given maps, others (or all) from the run's random stream."""
        if run == 0 and self.references is not None:
            return self.begin(self.judge(self.references))
        if self.plan.start == "subspace":
            return self.begin(self.search(run, advance))
        n = len(self.problem.statistics)
        posteriors = random_posteriors(n, self.plan.n_classes, self.plan.generator(run))
        return em.init(self._first, posteriors, em.WIDE_CYCLES)

    def begin(self, posteriors: Float64[np.ndarray, "particle n_classes"]) -> em.EmState:
        """Start from given posteriors; what is known of the prior starts anew."""
        return em.init(self._first, posteriors)

    def begin_refining(self, state: em.EmState) -> em.EmState:
        """Start once more where a run started, with cycles that refine."""
        return em.begin_refining(self._first, state)

    def judge(
        self, deviations: Float32[np.ndarray, "n_classes d d d"]
    ) -> Float64[np.ndarray, "particle n_classes"]:
        """Return the posteriors of an E-step under given deviations and equal class weights."""
        problem, n_classes = self.problem, len(deviations)
        grid = problem.space.to_grid(deviations)
        log_likelihood = problem.statistics.class_log_likelihoods(grid)
        return class_posteriors(log_likelihood, np.full(n_classes, 1 / n_classes))[0]

    def search(
        self, run: int, advance: Advance = uncounted
    ) -> Float64[np.ndarray, "particle n_classes"]:
        """Find starting posteriors: a random subspace, and a mixture in it."""
        n_classes, generator = self.plan.n_classes, self.plan.generator(run)
        # K classes span K - 1 dimensions; one more lets the mixture choose.
        n_dimensions = 1 if n_classes == 2 else n_classes
        problem = self._first
        prior = DeviationPrior(
            problem.spectrum.widened().spectrum, problem.support, np.eye(n_dimensions)
        )
        subspace = fit_subspace(problem.statistics, problem.space, prior, generator, advance)
        logger.info(
            "strongest differences found after %d cycles; signal-to-noise ratio of one image "
            "along each: %s",
            subspace.n_cycles,
            ", ".join(f"{value:.3f}" for value in subspace.information[::-1]),
        )
        return fit_mixture(subspace, n_classes, generator, advance).posteriors

    def step(self, state: em.EmState) -> tuple[em.EmState, CycleRecord | None]:
        """Do one cycle, an M-step and an E-step."""
        if self.coarse is None or not state.is_early:
            return em.step(self.problem, state)
        after, record = em.step(self.coarse, state)
        if after.is_early:
            return after, record
        self.coarse.statistics.let_go()
        return em.carry_over(self.problem, after), record

    def finish(self, state: em.EmState) -> em.EmState:
        """Return a state without its sums, which may be large."""
        return replace(state, inserted=None)

    def pack(self, state: em.EmState) -> dict[str, AnyArray]:
        """Return a state as plain arrays, nothing rounded, where they lie."""
        arrays: dict[str, AnyArray] = {
            "posteriors": state.posteriors,
            "spectrum_base": state.spectrum.base,
            "spectrum": np.array([state.spectrum.amplitude, state.spectrum.slope]),
            "support": state.support,
            "mixing": state.mixing,
            "log_evidence": state.log_evidence,
            "n_prior_cycles": np.array(state.n_prior_cycles),
            "objective": np.array(state.objective),
        }
        if state.coefficients is not None:
            arrays["coefficients"] = state.coefficients
        for name in ("began", "uncertainty"):
            if (array := getattr(state, name)) is not None:
                arrays[name] = array
        if state.inserted is not None:
            sums = state.inserted.sums
            arrays["inserted_data"], arrays["inserted_precision"] = sums.data, sums.precision
            arrays["inserted_weights"] = state.inserted.weights
        return arrays

    def unpack(self, arrays: Mapping[str, AnyArray]) -> em.EmState:
        """Return the state that `pack` packed."""
        amplitude, slope = arrays["spectrum"].tolist()
        inserted, send = None, self.problem.statistics.kernels.send
        if "inserted_weights" in arrays:
            sums = SliceSums(arrays["inserted_data"], arrays["inserted_precision"]).send(send)
            inserted = InsertedSums(sums, arrays["inserted_weights"])
        return em.EmState(
            posteriors=arrays["posteriors"],
            coefficients=send(arrays["coefficients"]) if "coefficients" in arrays else None,
            spectrum=SpectrumModel(arrays["spectrum_base"], amplitude, slope),
            support=arrays["support"],
            mixing=arrays["mixing"],
            log_evidence=arrays["log_evidence"],
            n_prior_cycles=int(arrays["n_prior_cycles"]),
            objective=float(arrays["objective"]),
            inserted=inserted,
            began=arrays.get("began"),
            uncertainty=arrays.get("uncertainty"),
        )


def compare_deviations(
    ground: Ground,
    plan: RunPlan,
    background: Background | None = None,
    *,
    storage: Storage = "float32",
) -> ResidualComparison:
    """Take the statistics of every particle, and scale the maps given to start from.

    Classes are compared under the ground's noise. The consensus is taken out of the images unless
    another background is given.
    """
    edges = choose_bands(ground.consensus, ground.n_shells)
    problem = state_problem(ground, background, storage, edges)
    volume = ground.consensus.map.full
    box, references = problem.space.box, None
    if plan.references:
        inside, scaled = box.cut(volume), scale_references(plan.references, volume)
        references = np.stack([box.mask * (box.cut(one) - inside) for one in scaled])
    return ResidualComparison(problem, plan, references, problem.coarsened(ground.allocate))
