"""Whole-particle models of small sets whose variation is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from cryofocus.inference.factors.field_space import FieldSpace
from cryofocus.inference.factors.model import FactorModel, fit_factors, perturb
from cryofocus.inference.factors.problem import FactorProblem, state_factor_problem
from cryofocus.maths.masks import sphere_mask
from lumps import BOX, PLACES, make_ground, sphere
from samples import PIXEL_SIZE


@cache
def make_problem() -> FactorProblem:
    ground, _ = make_ground()
    return state_factor_problem(ground, [sphere(place) for place in PLACES], 1)


@cache
def make_model() -> FactorModel:
    return fit_factors(make_problem(), np.random.default_rng(1))


def test_regions_vary_together_as_they_do() -> None:
    """Coordinates of the regions' fields correlate as presences do, whatever the grey scales."""
    _, present = make_ground()
    model = make_model()
    covariance = model.population.covariance[1:4, 1:4]
    spread = np.sqrt(np.diag(covariance))
    found = covariance / np.outer(spread, spread)
    np.testing.assert_allclose(found, np.corrcoef(present[:, :3].T), atol=0.2)


def test_a_constant_region_fades_below_noise() -> None:
    """The images tell of the three regions that vary and of no other."""
    model = make_model()
    ratio = (model.information / np.maximum(model.noise_information, 1e-9))[:4]
    assert (ratio[:3] > 2).all()
    assert ratio[3] < 1.25


def test_posteriors_follow_the_particles() -> None:
    """Coordinates of a field tell particles with its lump from those without."""
    _, present = make_ground()
    mean = make_model().posterior.mean[:, 1:4]
    for column in range(3):
        assert abs(np.corrcoef(mean[:, column], present[:, column])[0, 1]) > 0.6


def test_the_same_seed_gives_the_same_model() -> None:
    """Random starts and probes come from the generator alone."""
    again = fit_factors(make_problem(), np.random.default_rng(1))
    np.testing.assert_array_equal(again.fields, make_model().fields)


def test_moves_of_the_fields_are_small_and_opposite() -> None:
    """Perturbed models lie on both sides of the model, within its fields' uncertainty."""
    model = make_model()
    there, back = perturb(model, np.random.default_rng(5))
    np.testing.assert_allclose(there.fields + back.fields, 2 * model.fields, atol=1e-3)
    moved = np.abs(there.fields - model.fields)[:3].mean()
    assert 0 < moved < np.abs(model.fields[:3]).mean()


def make_space(problem: FactorProblem) -> FieldSpace:
    return FieldSpace(
        problem.space, problem.spectrum, problem.supports, problem.statistics, problem.consensus
    )


def test_maximisation_makes_the_posterior_no_worse() -> None:
    """The solution has a higher objective than any scaled copy of itself: it is stationary."""
    problem, model = make_problem(), make_model()
    space = make_space(problem)
    posterior = model.posterior
    second = posterior.second_moment
    xi = space.maximise(posterior.mean[:, 1:], second, model.strength, start=None, max_steps=200)
    noise = space.draw(second, model.strength, np.random.default_rng(2), max_steps=3)
    colour = space._colour(model.strength)
    apply = space._information(second[1:, 1:], colour)

    def objective(x: np.ndarray) -> float:
        sums = problem.statistics.sum_slices(
            posterior.mean[:, 1:], np.ones((len(problem.statistics), 1), np.float32)
        ).fetch()
        pull = np.asarray(problem.space.back_project(sums))
        pull = pull - second[1:, 0, None, None, None] * space._scaled_consensus
        rhs = space._adjoint(pull, colour)
        dot = problem.space.dot
        return dot(rhs, x) - 0.5 * dot(x, x) - 0.5 * dot(x, apply(x))

    best = objective(xi)
    for step in (0.05 * noise, -0.05 * noise, 0.05 * xi, -0.05 * xi):
        assert objective(xi + step) < best


def test_degrees_of_freedom_grow_with_strength() -> None:
    """A field held tightly has fewer determined coefficients, a larger region has more."""
    problem, model = make_problem(), make_model()
    space, second = make_space(problem), model.posterior.second_moment
    counts = [
        space.degrees_of_freedom(
            second, factor * np.ones(5), np.random.default_rng(1), max_steps=60
        )
        for factor in (0.05, 0.5)
    ]
    assert (counts[1] > counts[0]).all()
    assert (counts[1][4] > counts[1][:4]).all()


def test_masses_are_sums_of_density() -> None:
    """The mass of the consensus inside a mask is the sum of the whole map's voxels there."""
    ground, _ = make_ground()
    problem = make_problem()
    mask = sphere_mask(BOX, PIXEL_SIZE, (0.0, 0.0, 0.0), 14.0, 6.0)
    ((found,),) = problem.integrate([mask], problem.consensus[None])
    assert found == pytest.approx(float((mask * ground.consensus.map.full).sum()), rel=0.03)


def test_grey_scales_are_left_to_the_model() -> None:
    """The statistics are taken at scale 1."""
    np.testing.assert_array_equal(make_problem().statistics.scale, 1)
