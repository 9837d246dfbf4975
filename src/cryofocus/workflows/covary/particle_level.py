"""Regions over single particles: a whole-particle model, and what it says of their contents."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import distance_transform_edt

from cryofocus.arrays import Volume
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import choose_bands
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reach import Reach
from cryofocus.covariance.conditional import Condition, Conditional, ask_conditions
from cryofocus.covariance.joint_states import JointStates, find_joint_states
from cryofocus.covariance.occupancy import Occupancies, content_rows, measure_contents
from cryofocus.covariance.particles import ParticleCorrelation, correlate_particles
from cryofocus.covariance.reference import choose_reference, cut_into_blocks
from cryofocus.covariance.regions import Region, require_distinct, solvent_contour
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import RegionError
from cryofocus.inference.factors.model import MAX_CYCLES, FactorModel, fit_factors, perturb
from cryofocus.inference.factors.moments import Population, locate
from cryofocus.inference.factors.problem import state_factor_problem
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below, shell_resolution_angstrom
from cryofocus.workflows.covary.inputs import CovaryInputs, CovarySettings
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.machine.progress_monitor import ProgressMonitor
from cryofocus.workflows.machine.resources import Resources
from cryofocus.workflows.run.log import log_findings
from cryofocus.workflows.run.table_findings import judge_table

logger = logging.getLogger(__name__)

# The smallest band in which a region still has a shape.
MIN_SHELLS = 5
# Masses of regions are seen at moderate resolution; finer shells only cost time.
BOX_PER_RESOLUTION = 16
SOFT_EDGE_ANGSTROM = 8.0
# Fields for what varies outside of the regions; those without use fade.
N_FREE_FIELDS = 4
# A region's fields are seen when their information exceeds what noise may reach by this much.
CLEARLY = 1.25
N_PERTURBED = 2
# Prior variances of coordinates, in units of the population's, under which images speak alone.
UNINFORMED = 1e3


@dataclass(frozen=True, eq=False)
class ParticleLevel:
    """Contents of all particles, what they say together, and the resolution that entered."""

    occupancies: Occupancies
    correlation: ParticleCorrelation
    joint: JointStates | None
    conditional: tuple[Conditional, ...]
    resolution_angstrom: float


@dataclass(frozen=True, eq=False)
class _Weights:
    """What is integrated over the density: regions, and blocks of the rest.

    Attributes:
        names: Of the regions.
        pieces_of: For each region, its number of connected pieces; each has a field of its own.
        regions: Voxels of each region.
        blocks: Dense voxels of each block of the rest.
    """

    names: tuple[str, ...]
    pieces_of: tuple[int, ...]
    regions: tuple[Bool[np.ndarray, "box box box"], ...]
    blocks: tuple[Bool[np.ndarray, "box box box"], ...]


def compare_particles(
    inputs: CovaryInputs, settings: CovarySettings, resources: Resources, progress: Progress
) -> ParticleLevel | None:
    """Measure the regions in every particle, whose images are read twice, and correlate them.

    Returns:
        None without particles.

    Raises:
        RegionError: When a region holds no density of the particles' own consensus.
    """
    particles = inputs.particles
    if particles is None:
        return None
    ground = _prepare(particles, inputs, settings, resources, progress)
    # On the grid that maps are made on: finer voxels tell no more.
    consensus = ground.consensus
    seen, density = consensus.images.particles, consensus.map.full
    regions = [region.on_box(seen.box) for region in inputs.regions]
    require_distinct(regions)
    pieces = [region.pieces() for region in regions]
    weights = _weigh(regions, [len(own) for own in pieces], density)
    _require_near(weights, density, seen, ground.n_shells)
    flat = [piece for own in pieces for piece in own]
    generator = np.random.default_rng([settings.seed, 0xFAC])
    edges = choose_bands(consensus, ground.n_shells)
    problem = state_factor_problem(ground, flat, N_FREE_FIELDS, edges)
    checked = (consensus, problem.statistics.match, ground.half_set)
    log_findings(judge_table(*checked, ground.kernels, ground.monitor))
    with ground.monitor.stage("factors", MAX_CYCLES + N_PERTURBED, at_most=True) as advance:
        model = fit_factors(problem, generator, advance=advance)
        occupancies = _measure(model, weights)
        perturbed = []
        for _ in range(N_PERTURBED):
            there, back = perturb(model, generator)
            perturbed.append((_measure(there, weights), _measure(back, weights)))
            advance(1)
    logger.info(
        "whole-particle model after %d cycles; signal-to-noise ratio of one image in the regions' "
        "fields: %s",
        model.n_cycles,
        ", ".join(f"{value:.2f}" for value in model.information[: len(flat)]),
    )
    used, n_copies = np.arange(len(particles)), 1
    expansion = particles.expansion
    if expansion is not None and (rows := expansion.complete_parents()).size:
        used, n_copies = rows.ravel(), rows.shape[1]
    chosen = occupancies.take(used)
    correlation = correlate_particles(
        chosen,
        np.random.default_rng([settings.seed, 0xA11]),
        perturbed=[(there.take(used), back.take(used)) for there, back in perturbed],
        n_copies=n_copies,
    )
    given = {condition.region for condition in inputs.conditions}
    joint = find_joint_states(chosen.values, chosen.noise, correlation.varies, given)
    return ParticleLevel(
        occupancies,
        correlation,
        joint,
        tuple(_ask(joint, inputs.conditions, correlation, settings.seed)),
        shell_resolution_angstrom(ground.n_shells, particles.box, particles.pixel_size_angstrom),
    )


def _ask(
    joint: JointStates | None,
    conditions: Sequence[Condition],
    found: ParticleCorrelation,
    seed: int,
) -> Iterator[Conditional]:
    """Yield what is known under each condition; log which cannot be asked."""
    known = [] if joint is None else joint.regions.tolist()
    for region in sorted({condition.region for condition in conditions} - set(known)):
        logger.warning(
            "given %s: particles that have it cannot be told from others, because %s; nothing is "
            "said of them. Ask for a region that varies, with others that do.",
            found.names[region],
            "no other region varies" if found.varies[region] else "it does not vary",
        )
    possible = [condition for condition in conditions if condition.region in known]
    if joint is None or not possible:
        return
    generator = np.random.default_rng([seed, 0xC0D])
    n_particles = found.n_particles
    for answer in ask_conditions(
        joint, possible, n_particles, generator, inflation=found.inflation
    ):
        if not np.isfinite(answer.presence.value).any():
            logger.warning(
                "given %s %s: about %d particles, too few to say how other regions vary among "
                "them. Use more particles.",
                found.names[answer.condition.region],
                answer.condition.state,
                answer.n_particles,
            )
        yield answer


def _prepare(
    particles: ParticleSet,
    inputs: CovaryInputs,
    settings: CovarySettings,
    resources: Resources,
    progress: Progress,
) -> Ground:
    """Reconstruct the consensus and choose the resolution."""
    invert = inputs.runs[0].invert if inputs.runs else settings.invert
    images = open_images(particles, invert, threads=resources.threads)
    half_set, _ = assign_half_sets(particles, settings.seed)
    monitor = ProgressMonitor(progress)
    with monitor.stage("consensus", len(images)) as advance:
        consensus = estimate_consensus(
            images,
            half_set,
            resources.kernels,
            reach=Reach(at_least_angstrom=settings.max_resolution_angstrom),
            advance=advance,
        )
    # Of the band that maps are made in.
    box = consensus.images.particles.box
    pixel_size = consensus.images.particles.pixel_size_angstrom
    whole = FocusMask.whole(box, pixel_size, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
    n_shells = min(first_shell_below(consensus.map.fsc, FSC_LIMIT), BOX_PER_RESOLUTION)
    if (limit := settings.max_resolution_angstrom) is not None:
        n_shells = int(box * pixel_size / limit) + 1
    n_shells = int(np.clip(n_shells, MIN_SHELLS, box // 2))
    return Ground(consensus, whole, half_set, n_shells, resources.kernels, monitor)


def _weigh(regions: Sequence[Region], n_pieces: Sequence[int], density: Volume) -> _Weights:
    dense = density > solvent_contour(density)
    covered = np.any([region.inside for region in regions], axis=0)
    rest = dense & ~covered
    blocks = cut_into_blocks(np.where(rest, density, np.float32(0)), rest)
    return _Weights(
        names=tuple(region.name for region in regions),
        pieces_of=tuple(n_pieces),
        regions=tuple(region.inside for region in regions),
        blocks=tuple(block & rest for block in blocks),
    )


def _require_near(
    weights: _Weights, density: Volume, particles: ParticleSet, n_shells: int
) -> None:
    """Check that regions lie at the particle; what few particles have need not show in its map.

    Raises:
        RegionError: When one is farther from all density than can be resolved.
    """
    voxel = particles.pixel_size_angstrom
    resolution = shell_resolution_angstrom(n_shells, particles.box, voxel)
    distance = distance_transform_edt(density <= solvent_contour(density)) * voxel
    for name, inside in zip(weights.names, weights.regions, strict=True):
        nearest = float(distance[inside].min())
        if nearest > resolution:
            raise RegionError(
                f"region {name}: no density within {nearest:.0f} Å of it in the consensus; "
                "expected a region of the particle. Check that mask and map lie in one frame."
            )


def _measure(model: FactorModel, weights: _Weights) -> Occupancies:
    """Return the contents that a whole-particle model gives each particle."""
    problem, population = model.problem, model.population
    volumes = np.concatenate([problem.consensus[None], model.fields])
    masses = problem.integrate([*weights.regions, *weights.blocks], volumes)
    n_regions = len(weights.regions)
    in_regions, in_blocks = masses[:n_regions], masses[n_regions:]
    reference = choose_reference(in_blocks, population.covariance)
    n_voxels = np.array([np.count_nonzero(region) for region in weights.regions])
    rows = content_rows(in_regions, reference, n_voxels * _density_of(weights, in_blocks))
    # What the population knows of pairs would come back as what images say of them.
    prior = Population(population.mean, UNINFORMED * np.diag(np.diag(population.covariance)))
    alone = locate(model.moments, prior)
    values, noise = measure_contents(
        rows, (prior.mean, prior.covariance), (alone.mean, alone.covariance)
    )
    return Occupancies(weights.names, values, noise, np.array([*_seen(model, weights)]))


def _density_of(weights: _Weights, masses: Float64[np.ndarray, "block q"]) -> float:
    """Return the mean density of the rest of the particle, dense voxels alone."""
    return float(masses[:, 0].sum() / sum(np.count_nonzero(block) for block in weights.blocks))


def _seen(model: FactorModel, weights: _Weights) -> Iterator[bool]:
    """Yield for each region whether one of its own fields holds more than noise."""
    clear = model.information > CLEARLY * model.noise_information
    start = 0
    for n_pieces in weights.pieces_of:
        yield bool(clear[start : start + n_pieces].any())
        start += n_pieces
