"""Factors found by expectation maximisation: how all of a particle varies.

Particle i's density is `(1 + x_i0) V + sum_f x_if F_f`: the consensus V at the particle's grey
scale, and fields F with coordinates x_i ~ N(m, C) of any covariance. Fields on a support of their
own, such as a region, keep it; those that share the whole particle are turned among each other to
uncorrelated coordinates after every cycle, and separate by how much the images tell of them
(probabilistic principal components, Tipping & Bishop 1999). The strength of each field's prior is
learnt by the evidence (MacKay 1992), so a field for which the images have no use fades.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from cryofocus.inference.factors.field_space import Coefficients, Fields, FieldSpace
from cryofocus.inference.factors.moments import (
    Moments,
    Population,
    Posterior,
    estimate_population,
    locate,
    settle_population,
)
from cryofocus.inference.factors.problem import FactorProblem

MIN_CYCLES, MAX_CYCLES = 12, 24
# Strengths rise slowly where little is seen: a cycle changes little long before they are up.
TOLERANCE = 0.003
SOLVER_STEPS, PROBE_STEPS, FIRST_STEPS = 8, 10, 12
# Of so many cycles degrees of freedom are averaged: one random probe may be off by a third.
LAST_PROBES = 6
# Draws of the posterior are no better than their solution, and start from nothing.
DRAW_STEPS = 40
# Strengths are corrected once fields have found their shape.
FIRST_CORRECTION = 5
LARGEST_STEP = 1.0
SMALLEST_LOG_POWER, LARGEST_LOG_POWER = -14.0, 2.0
# ln of the prior's power at the start, relative to the consensus's spectrum.
REGION_LOG_POWER, FREE_LOG_POWER = -1.0, -2.0
START_SCALE_VARIANCE, START_VARIANCE = 0.03, 0.2


@dataclass(frozen=True, eq=False)
class FactorModel:
    """A fitted model; coordinate 0 is the grey scale's deviation from 1.

    Attributes:
        problem: What it was fitted to.
        field_space: The space the fields lie in.
        strength: `(field,)` of the fields' priors.
        fields: `(field, d, d, d)`, of about unit coordinate variance.
        moments: What the images say of the coordinates.
        population: Of the coordinates.
        degrees_of_freedom: `(field,)` coefficients of each field that the images determine.
        n_cycles: Cycles it took.
    """

    problem: FactorProblem
    field_space: FieldSpace
    strength: Float64[np.ndarray, " field"]
    fields: Fields
    moments: Moments
    population: Population
    degrees_of_freedom: Float64[np.ndarray, " field"]
    n_cycles: int

    @property
    def posterior(self) -> Posterior:
        """Posterior of every particle's coordinates."""
        return locate(self.moments, self.population)

    @property
    def information(self) -> Float64[np.ndarray, " field"]:
        """Signal-to-noise ratio of each field's coordinate in one image, on average."""
        return (self.moments.information * np.diag(self.population.covariance))[1:]

    @property
    def noise_information(self) -> Float64[np.ndarray, " field"]:
        """What `information` noise alone may come to: the upper edge of random eigenvalues.

        Of n images, and as many free coefficients as are determined (Marchenko & Pastur 1967).
        """
        share = np.maximum(self.degrees_of_freedom, 1) / max(len(self.moments), 1)
        return np.asarray(2 * np.sqrt(share) + share)


@dataclass(frozen=True, eq=False)
class _State:
    """What a cycle starts from: fields as coefficients and strengths, and the coordinates."""

    xi: Coefficients | None
    log_power: Float64[np.ndarray, " field"]
    population: Population
    degrees_of_freedom: Float64[np.ndarray, " field"]

    @property
    def strength(self) -> Float64[np.ndarray, " field"]:
        return np.exp(self.log_power / 2)


def fit_factors(
    problem: FactorProblem,
    generator: np.random.Generator,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> FactorModel:
    """Find the fields of a whole-particle model, from random free fields.

    Args:
        problem: Statistics, supports and the number of free fields.
        generator: Of the start, and of the probes that count degrees of freedom.
        advance: Called with the number of cycles done.
    """
    field_space = FieldSpace(
        problem.space,
        problem.spectrum,
        problem.supports,
        problem.statistics,
        problem.consensus,
    )
    fields, state = _start(problem, generator)
    information = np.zeros(len(fields))
    determined: list[Float64[np.ndarray, " field"]] = []
    cycle = 0
    while cycle < MAX_CYCLES:
        moments = measure_moments(problem, fields)
        posterior, state = _standardise(moments, state, problem.n_regions)
        before = information
        scale = np.diag(state.population.covariance)[1:]
        information = moments.information[1:] * scale
        state = _improve(field_space, posterior, state, cycle, generator)
        assert state.xi is not None
        determined.append(state.degrees_of_freedom)
        fields = field_space.fields(state.xi, state.strength)
        cycle += 1
        advance(1)
        change = np.abs(information - before).max() / max(information.max(), 1e-6)
        if cycle >= MIN_CYCLES and change < TOLERANCE:
            break
    moments = measure_moments(problem, fields)
    population = settle_population(moments, state.population)
    return FactorModel(
        problem=problem,
        field_space=field_space,
        strength=state.strength,
        fields=fields,
        moments=moments,
        population=population,
        degrees_of_freedom=np.mean(determined[-LAST_PROBES:], axis=0),
        n_cycles=cycle,
    )


def perturb(model: FactorModel, generator: np.random.Generator) -> tuple[FactorModel, FactorModel]:
    """Return the model with fields moved as far as they are uncertain, there and back.

    Half the difference of what follows from the two is the effect of the move; that of its
    square, which both share, drops out.
    """
    problem, second = model.problem, model.posterior.second_moment
    drawn = model.field_space.draw(second, model.strength, generator, max_steps=DRAW_STEPS)
    change = model.field_space.fields(drawn, model.strength)

    def move(fields: Fields) -> FactorModel:
        moments = measure_moments(problem, fields)
        population = settle_population(moments, model.population)
        return replace(model, fields=fields, moments=moments, population=population)

    return move(model.fields + change), move(model.fields - change)


def measure_moments(problem: FactorProblem, fields: Fields) -> Moments:
    """Return what all images say of the grey scale and of the fields' coordinates."""
    volumes = np.concatenate([problem.consensus[None], fields]).astype(np.float32)
    grid = problem.space.to_grid(volumes)
    return Moments(*problem.statistics.latent_moments(grid))


def _start(problem: FactorProblem, generator: np.random.Generator) -> tuple[Fields, _State]:
    """Start from regions that are filled evenly, and from random free fields."""
    density = problem.consensus
    inside = problem.free_support > 0
    typical = np.float32(density[inside].std() if inside.any() else 1.0)
    n_fields = problem.n_regions + problem.n_free
    noise = generator.standard_normal((problem.n_free, *density.shape), np.float32)
    space = problem.space
    white = space.from_box(noise) * space.lay_out(np.sqrt(problem.spectrum))
    free = problem.free_support * np.asarray(space.to_box(white))
    size = np.sqrt((free**2).mean(axis=(1, 2, 3), keepdims=True)) if problem.n_free else 1.0
    free = free / np.maximum(size, np.finfo(np.float32).tiny) * typical
    fields = np.concatenate([problem.region_supports * typical, free]).astype(np.float32)
    covariance = np.diag([START_SCALE_VARIANCE, *[START_VARIANCE] * n_fields])
    log_power = np.repeat([REGION_LOG_POWER, FREE_LOG_POWER], [problem.n_regions, problem.n_free])
    population = Population(np.zeros(1 + n_fields), covariance)
    return fields, _State(None, log_power, population, np.zeros(n_fields))


def _standardise(moments: Moments, state: _State, n_regions: int) -> tuple[Posterior, _State]:
    """Locate the particles; bring coordinates to unit second moment, the free ones uncorrelated.

    Fields follow their coordinates, so that the density stays as it is.
    """
    posterior = locate(moments, state.population)
    total = posterior.second_moment
    n_fields = len(total) - 1
    # Old coordinates = basis @ new.
    basis = np.zeros((n_fields, n_fields))
    regions, free = np.arange(n_regions), np.arange(n_regions, n_fields)
    basis[regions, regions] = np.sqrt(np.diag(total)[1 + regions])
    if free.size:
        block = np.ix_(1 + free, 1 + free)
        root = np.linalg.cholesky(total[block])
        information = root.T @ moments.quadratic.mean(axis=0)[block] @ root
        rotation = np.linalg.eigh(information)[1][:, ::-1]
        basis[np.ix_(free, free)] = root @ rotation
    turn = np.eye(1 + n_fields)
    turn[1:, 1:] = np.linalg.inv(basis)
    turned = Posterior(
        posterior.mean @ turn.T,
        np.einsum("ai,nij,bj->nab", turn, posterior.covariance, turn, optimize=True),
    )
    state = replace(state, population=estimate_population(turned))
    if state.xi is not None:
        mixed = np.einsum("fg,f,fzyx->gzyx", basis, state.strength, state.xi, optimize=True)
        power = (basis**2).T @ np.exp(state.log_power)
        log_power = np.clip(np.log(power), SMALLEST_LOG_POWER, LARGEST_LOG_POWER)
        xi = (mixed / np.exp(log_power / 2)[:, None, None, None]).astype(np.complex64)
        state = replace(state, xi=xi, log_power=log_power)
    return turned, state


def _improve(
    field_space: FieldSpace,
    posterior: Posterior,
    state: _State,
    cycle: int,
    generator: np.random.Generator,
) -> _State:
    """Maximise over the fields, and correct the strength of their priors."""
    second_moment = posterior.second_moment
    xi = field_space.maximise(
        posterior.mean[:, 1:],
        second_moment,
        state.strength,
        start=state.xi,
        max_steps=SOLVER_STEPS if cycle else FIRST_STEPS,
    )
    state = replace(state, xi=xi)
    if cycle < FIRST_CORRECTION:
        return state
    determined = field_space.degrees_of_freedom(
        second_moment, state.strength, generator, max_steps=PROBE_STEPS
    )
    power = field_space.power(xi)
    step = np.log(np.maximum(power, 1e-6) / np.maximum(determined, 1e-3))
    wanted = state.log_power + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    log_power = np.clip(wanted, SMALLEST_LOG_POWER, LARGEST_LOG_POWER)
    factor = np.exp((state.log_power - log_power) / 2)[:, None, None, None].astype(np.float32)
    return replace(state, xi=xi * factor, log_power=log_power, degrees_of_freedom=determined)
