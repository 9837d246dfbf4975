"""`cryofocus variance`: where the particles of a set differ, and what to focus on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import choose_bands
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reach import Reach
from cryofocus.consensus.resolution import choose_shells
from cryofocus.consensus.sampling import sample_map
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.execution.monitor import Monitor, SilentMonitor
from cryofocus.inference.deviations.problem import state_problem
from cryofocus.inference.variability.kept import Kept
from cryofocus.inference.variability.latent import locate_particles
from cryofocus.inference.variability.resampling import BootstrapVariance, bootstrap_variance
from cryofocus.inference.variability.variability import Variability, explore_region
from cryofocus.logs import get_logger
from cryofocus.maths.shells import shell_resolution_angstrom
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import Resources, use_process
from cryofocus.workflows.run.log import log_findings
from cryofocus.workflows.run.new_directory import DirectoryKind, leave, new_directory
from cryofocus.workflows.run.stack_watch import StackWatch
from cryofocus.workflows.run.table_findings import judge_table
from cryofocus.workflows.variance.focus_proposal import find_basins, propose_focus
from cryofocus.workflows.variance.inputs import (
    SOFT_EDGE_ANGSTROM,
    VarianceInputs,
    VarianceSettings,
    read_variance_inputs,
)
from cryofocus.workflows.variance.maps import (
    fine_edge,
    measure_peaks,
    sample_bootstrap,
    sample_variance,
)
from cryofocus.workflows.variance.outputs import write_variability
from cryofocus.workflows.variance.result import SUMMARY, ProposedFocus, VarianceResult

logger = get_logger(__name__)

KIND = DirectoryKind("result of cryofocus variance", SUMMARY)
# Where density varies is seen at low resolution; finer only costs time and brings in noise.
BOX_PER_RESOLUTION = 16


def variance(  # noqa: PLR0913  # as of the command, and what completes it
    particles: ParticleSet | Path | str,
    output: Path | str,
    settings: VarianceSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    monitor: Monitor | None = None,
    finish: Callable[[VarianceResult], object] = leave,
) -> VarianceResult:
    """Do what `cryofocus.variance` says, but for its figures and page, which `finish` makes."""
    settings, output = settings or VarianceSettings(), Path(output)
    resources = use_process(machine)
    KIND.require_usable(output, overwrite=overwrite)
    inputs = read_variance_inputs(particles, settings)
    settings, table = inputs.settings, inputs.particles.source.path
    stacks = StackWatch.begin(inputs.particles)
    monitor = monitor or SilentMonitor()
    kept = Kept(monitor)
    ground = _prepare(inputs, resources, monitor)
    edges = choose_bands(ground.consensus, ground.n_shells)
    found = explore_region(ground, settings.n_dimensions, settings.seed, edges, kept)
    checked = (ground.consensus, found.problem.statistics.match, ground.half_set)
    findings = [*judge_table(*checked, ground.kernels, ground.monitor)]
    log_findings(findings)
    proposals = tuple(propose_focus(ground, found, table, settings, kept))
    bootstrap = _bootstrap(ground, found, settings)
    result = _compose(output, ground, found, bootstrap, proposals, settings)
    result = replace(result, warnings=tuple(finding.text for finding in findings))
    with new_directory(output, KIND, overwrite=overwrite) as folder:
        write_variability(folder, inputs, found, bootstrap, result)
        finish(replace(result, folder=folder))
        stacks.warn()
    if found.n_axes == 0:
        logger.warning(
            "no variation is confirmed by both half sets: no region is proposed. There may be "
            "too few particles, or the differences may be finer than %.0f Å (--max-resolution).",
            result.resolution_angstrom,
        )
    return result


def _prepare(inputs: VarianceInputs, resources: Resources, monitor: Monitor) -> Ground:
    """Reconstruct the consensus and choose the resolution at which differences are looked for."""
    table, settings = inputs.particles, inputs.settings
    half_set, origin = assign_half_sets(table, settings.seed)
    logger.info("%s", origin)
    images = open_images(table, settings.invert, threads=resources.threads)
    with monitor.stage("consensus", len(table)) as advance:
        consensus = estimate_consensus(
            images,
            half_set,
            resources.kernels,
            solvent=None if inputs.solvent is None else inputs.solvent.data,
            reach=Reach(at_least_angstrom=settings.max_resolution_angstrom),
            advance=advance,
        )
    n_shells = choose_shells(consensus, settings.max_resolution_angstrom)
    if settings.max_resolution_angstrom is None and not inputs.is_focused:
        n_shells = min(n_shells, BOX_PER_RESOLUTION)
    return Ground(consensus, inputs.region, half_set, n_shells, resources.kernels, monitor)


def _bootstrap(
    ground: Ground, found: Variability, settings: VarianceSettings
) -> BootstrapVariance | None:
    """Resample the particles, if asked for."""
    if settings.n_bootstrap == 0:
        return None
    statistics = found.problem.statistics.whole()
    if not statistics.box.is_whole:
        particles = ground.consensus.images.particles
        grid = (particles.box, particles.pixel_size_angstrom)
        whole = FocusMask.whole(*grid, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
        statistics = state_problem(replace(ground, mask=whole)).statistics.whole()
    generator = np.random.default_rng([settings.seed, settings.n_bootstrap])
    with ground.monitor.stage("bootstrap", settings.n_bootstrap) as advance:
        return bootstrap_variance(
            statistics, settings.n_bootstrap, ground.kernels, generator, advance=advance
        )


def _compose(
    folder: Path,
    ground: Ground,
    found: Variability,
    bootstrap: BootstrapVariance | None,
    proposals: tuple[ProposedFocus, ...],
    settings: VarianceSettings,
) -> VarianceResult:
    """Gather what was found as plain numbers and maps."""
    edge, mask = fine_edge(found), ground.mask
    grid = (len(mask.data), mask.voxel_size_angstrom)
    map_of_variance = sample_variance(found, edge)
    excess = None if bootstrap is None else sample_bootstrap(bootstrap, mask.data, edge)
    voxel = len(mask.data) * mask.voxel_size_angstrom / edge
    basins = find_basins(map_of_variance, voxel, settings)
    power = (found.deviations.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
    latent = locate_particles(found.subspace)
    return VarianceResult(
        folder=folder,
        resolution_angstrom=shell_resolution_angstrom(ground.n_shells, *grid),
        consensus=sample_map(ground.consensus.map.full, len(mask.data)),
        pixel_size_angstrom=mask.voxel_size_angstrom,
        variance=map_of_variance,
        bootstrap=excess,
        peaks=measure_peaks(basins, map_of_variance, excess, voxel),
        axis_shares=power / max(power.sum(), np.finfo(np.float64).tiny),
        information=found.subspace.information,
        half_set_correlation=found.agreement,
        latent=latent.mean,
        latent_variance=latent.variance,
        proposals=proposals,
    )
