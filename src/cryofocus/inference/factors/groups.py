"""Particles grouped by how they vary as wholes: what each group shows beside the consensus.

Fields of the whole particle are fitted to a part of the images, every particle is placed by its
coordinates in those that hold more than noise, and neighbours form groups. A group's density is
the consensus with the fields at the group's mean coordinates, so that it is made of all particles'
images, not of its own alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.cluster.vq import kmeans2

from cryofocus.consensus.ground import Ground
from cryofocus.inference.factors.model import FactorModel, fit_factors, measure_moments
from cryofocus.inference.factors.moments import locate
from cryofocus.inference.factors.problem import FactorProblem, state_factor_problem

logger = logging.getLogger(__name__)

N_FIELDS = 4
# Variation of single domains is told by finer detail than that of the whole particle.
MOST_SHELLS = 22
# Enough images for the fields; of all others, as many at a time are placed.
FIT_PARTICLES = 10_000
# Fields of fewer images hold more noise than they could tell of a group.
LEAST_PER_GROUP = 20


@dataclass(frozen=True, eq=False)
class ParticleGroups:
    """Groups of particles that show about the same density.

    Attributes:
        labels: `(particle,)` group, counted from 0.
        deviations: `(group, box, box, box)` what each shows beside the consensus, on its grid.
    """

    labels: Int[np.ndarray, " particle"]
    deviations: Float32[np.ndarray, "group box box box"]


def group_particles(
    ground: Ground,
    n_groups: int,
    seed: int,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> ParticleGroups | None:
    """Find how the particles vary and group those that are alike.

    Args:
        ground: Images and consensus; its mask is the region of the whole particle.
        n_groups: Groups, at least two.
        seed: Of the random starts.
        advance: Called with the number of particles placed.

    Returns:
        None where nothing varies by more than noise does, or there are too few particles.
    """
    n = len(ground.consensus.images)
    if n < LEAST_PER_GROUP * n_groups:
        return None
    fitted = np.unique(np.linspace(0, n - 1, min(n, FIT_PARTICLES)).astype(np.int64))
    problem = _state(ground, fitted)
    model = fit_factors(problem, np.random.default_rng([seed, 0x6F]))
    advance(len(fitted))
    is_real = model.information > model.noise_information
    logger.info(
        "%d of %d fields of variation hold more than noise (signal-to-noise ratio of one image "
        "%s)",
        *(np.count_nonzero(is_real), N_FIELDS),
        ", ".join(f"{value:.2f}" for value in model.information),
    )
    if not is_real.any():
        return None
    coordinates = np.empty((n, N_FIELDS))
    coordinates[fitted] = model.posterior.mean[:, 1:]
    others = np.setdiff1d(np.arange(n), fitted)
    for start in range(0, len(others), FIT_PARTICLES):
        rows = others[start : start + FIT_PARTICLES]
        coordinates[rows] = _place(_state(ground, rows), model)
        advance(len(rows))
    labels = _label(coordinates * is_real, model.moments.information[1:], n_groups, seed)
    shown = _mean_of_each(coordinates * is_real, labels)
    densities = np.tensordot(shown, model.fields, axes=1).astype(np.float32)
    box, size = problem.space.box, ground.consensus.images.particles.box
    return ParticleGroups(labels, np.stack([box.paste(one, size) for one in densities]))


def _state(ground: Ground, rows: Int[np.ndarray, " m"]) -> FactorProblem:
    """Take the statistics of some of the particles."""
    images = ground.consensus.images.take(rows)
    some = replace(
        ground,
        consensus=replace(ground.consensus, images=images),
        half_set=ground.half_set[rows],
        n_shells=min(ground.n_shells, MOST_SHELLS),
    )
    return state_factor_problem(some, [], N_FIELDS)


def _place(problem: FactorProblem, model: FactorModel) -> Float64[np.ndarray, "m field"]:
    """Return the coordinates of particles that the fields were not fitted to."""
    moments = measure_moments(problem, model.fields)
    return np.asarray(locate(moments, model.population).mean[:, 1:])


def _label(
    coordinates: Float64[np.ndarray, "particle field"],
    information: Float64[np.ndarray, " field"],
    n_groups: int,
    seed: int,
) -> Int[np.ndarray, " particle"]:
    """Put neighbours into groups, distances being measured in the noise of an image."""
    _, labels = kmeans2(coordinates * np.sqrt(information), n_groups, minit="++", rng=seed)
    # Groups that nobody has joined are left out.
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _mean_of_each(
    coordinates: Float64[np.ndarray, "particle field"], labels: Int[np.ndarray, " particle"]
) -> Float64[np.ndarray, "group field"]:
    return np.stack([coordinates[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
