"""Focus spheres proposed from what varies in a particle, and how many states each has."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from dataclasses import astuple, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from cryofocus.arrays import Volume
from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.errors import RegionError
from cryofocus.formatting import format_angstrom
from cryofocus.inference.settings import AUTO
from cryofocus.inference.variability.kept import Kept
from cryofocus.inference.variability.states import MAX_STATES, StatesEstimate, estimate_states
from cryofocus.inference.variability.variability import Variability, explore_region
from cryofocus.maps.variance_regions import (
    VariableRegion,
    find_regions,
    join_regions,
    variance_level,
)
from cryofocus.workflows.variance.inputs import SOFT_EDGE_ANGSTROM, VarianceSettings
from cryofocus.workflows.variance.maps import sample_deviations
from cryofocus.workflows.variance.result import ProposedFocus

logger = logging.getLogger(__name__)

# Axes looked for inside one sphere.
REGION_DIMENSIONS = 4
NOISE_SIGMA = 5.0
# The finely sampled variance map has so many voxels to a resolution element.
RESOLUTION_VOXELS = 4


def propose_focus(
    ground: Ground, found: Variability, table: Path, settings: VarianceSettings, kept: Kept
) -> Iterator[ProposedFocus]:
    """Yield spheres around what varies, the one that holds most variance first.

    Args:
        ground: Images and consensus; its mask is the region of the particle.
        found: What varies in the particle.
        table: Particle table, for the commands.
        settings: How many to propose, and what counts.
        kept: Regions that are finished, and where others are kept.
    """
    if found.n_axes == 0:
        return
    particles, deviations = ground.consensus.images.particles, sample_deviations(found)
    voxel = particles.pixel_size_angstrom * particles.box / len(deviations[0])
    variance = (deviations**2).sum(axis=0, dtype=np.float32)
    basins = find_basins(variance, voxel, settings)
    regions = join_regions(basins, deviations, voxel, settings.join_angstrom)
    # What is smaller than a resolution element is the tip of something faint.
    seen = (one for one in regions if 2 * one.radius_angstrom >= RESOLUTION_VOXELS * voxel)
    spheres = ((region, mask) for region in seen if (mask := _draw_sphere(region, ground)))
    chosen = list(islice(spheres, settings.n_spheres))
    for number, (region, mask) in enumerate(chosen, start=1):
        logger.info(
            "region %d of %d that vary (radius %s): how many states it has",
            *(number, len(chosen), format_angstrom(mask.radius_angstrom or 0.0)),
        )
        counted = kept.stage(
            f"region {number}", partial(_count, replace(ground, mask=mask), settings.seed, number)
        )
        n_axes, best, lowest, highest, continuous = counted["axes_and_states"].tolist()
        states = StatesEstimate(best, lowest, highest, is_continuous=bool(continuous))
        yield ProposedFocus(
            voxels=region.voxels,
            mask=mask,
            centre_angstrom=region.centre_angstrom,
            variance_share=region.share,
            n_axes=n_axes,
            states=states.best,
            states_lowest=states.lowest,
            states_highest=states.highest,
            states_text=describe_states(states),
            command=_command(table, mask, states, number, settings),
        )


def _count(ground: Ground, seed: int, number: int) -> dict[str, np.ndarray]:
    """Count the real axes and the states of a region."""
    inside = explore_region(ground, REGION_DIMENSIONS, seed)
    states = estimate_states(inside.halves, np.random.default_rng([seed, number]))
    return {"axes_and_states": np.array([inside.n_axes, *astuple(states)])}


def describe_states(states: StatesEstimate) -> str:
    """Say a number of states in words, such as `2`, `3 (2 to 4)` or `continuous`."""
    if states.is_continuous:
        return "continuous"
    top = f"{states.highest} or more" if states.highest == MAX_STATES else f"{states.highest}"
    if states.lowest == states.best == states.highest:
        return top
    return f"{states.best} ({states.lowest} to {top})"


def find_basins(
    variance: Volume, voxel_size_angstrom: float, settings: VarianceSettings
) -> list[VariableRegion]:
    """Part a finely sampled variance map into the surroundings of its peaks."""
    if not variance.any():
        return []
    level = variance_level(variance, settings.level_fraction, NOISE_SIGMA)
    separation = RESOLUTION_VOXELS * voxel_size_angstrom
    return find_regions(variance, level, voxel_size_angstrom, separation_angstrom=separation)


def _draw_sphere(region: VariableRegion, ground: Ground) -> FocusMask | None:
    """Draw the sphere on the particles' grid, no larger than the box; None where none fits."""
    mask, origin = ground.mask, ground.mask.origin_angstrom
    box, voxel = len(mask.data), mask.voxel_size_angstrom
    centre = [
        offset + box // 2 * voxel + first
        for offset, first in zip(region.centre_angstrom, origin, strict=True)
    ]
    room = min(
        min(c - first, (box - 1) * voxel - (c - first))
        for c, first in zip(centre, origin, strict=True)
    )
    x, y, z = (round(c, 1) for c in centre)
    try:
        return FocusMask.from_sphere(
            (x, y, z, round(min(region.radius_angstrom, room - 0.1), 1)),
            box,
            voxel,
            soft_edge_angstrom=SOFT_EDGE_ANGSTROM,
            origin_angstrom=origin,
        )
    except RegionError:
        logger.warning(
            "a region at %s Å from the box centre reaches the edge of the box; no sphere was "
            "proposed for it.",
            ", ".join(f"{value:.0f}" for value in region.centre_angstrom),
        )
        return None


def _command(
    table: Path, mask: FocusMask, states: StatesEstimate, number: int, settings: VarianceSettings
) -> str:
    """Write the command that classifies a region."""
    assert mask.centre_angstrom is not None
    assert mask.radius_angstrom is not None
    sphere = ",".join(f"{value:.1f}" for value in (*mask.centre_angstrom, mask.radius_angstrom))
    words = ["cryofocus", "classify", str(table), f"--focus={sphere}"]
    # Finer detail may tell apart what the search does not.
    is_counted = states.best > 1 and not states.is_continuous
    words += ["--classes", str(states.best) if is_counted else AUTO, *_options(settings)]
    return shlex.join([*words, "-o", f"region_{number}"])


def _options(settings: VarianceSettings) -> Iterator[str]:
    """Yield the options that `classify` needs for the same particles."""
    if settings.datadir is not None:
        yield from ("--datadir", str(settings.datadir))
    if settings.solvent_mask is not None:
        # The mask's header has the origin of the frame the sphere is in.
        yield from ("--solvent-mask", str(settings.solvent_mask))
        yield from ("--map", str(settings.solvent_mask))
    if settings.stack is not None:
        yield from ("--stack", str(settings.stack))
    if settings.microscope is not None:
        yield from ("--microscope", ",".join(f"{value:g}" for value in settings.microscope))
    if settings.pixel_size_angstrom is not None:
        yield from ("--pixel-size", f"{settings.pixel_size_angstrom:g}")
    for path in settings.passthrough:
        yield from ("--passthrough", str(path))
    for option, said in (
        ("--ctf", settings.ctf_shown),
        ("--pixel-size-of", settings.pixel_size_of),
    ):
        if said is not None:
            yield from (option, said)
