"""`cryofocus reconstruct`: one map, its half maps and their FSC from a whole particle set."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reach import MapResolution, Reach
from cryofocus.consensus.sampling import sample_fsc, sample_map
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.data.volume import write_volume
from cryofocus.errors import SettingError
from cryofocus.maths.shells import is_resolved, shell_resolution_angstrom
from cryofocus.workflows.fsc_table import fsc_resolution_angstrom, write_fsc
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.run.new_names import require_new_maps
from cryofocus.workflows.run.stack_watch import StackWatch

logger = logging.getLogger(__name__)


class ReconstructSettings(TableSource):
    """How to reconstruct.

    Attributes:
        symmetry: Point group; only C1 so far.
        invert: Whether protein is dark in the images; `auto` decides from the density.
        map_resolution: To which resolution the map is made, in Å; `nyquist` for all that images
            hold. Default: as far as the half maps agree, and a margin that shows them fall to
            zero; for boxes up to 100 pixels, all.
        seed: Random seed of the half sets, if the table has none.
    """

    symmetry: str = "C1"
    invert: InvertChoice = "auto"
    map_resolution: MapResolution = None
    seed: int = Field(default=1, ge=0)


@dataclass(frozen=True)
class ReconstructedMap:
    """Files written, and what they show.

    Attributes:
        path: The map; density is positive in it.
        halves: Both half maps.
        fsc: Their Fourier shell correlation.
        resolution_angstrom: Where that falls below 0.143; the edge of the box where it is noise.
        is_inverted: Whether protein was dark in the images, whose sign was then changed.
        is_nyquist: Whether that resolution is the limit of the pixels.
        is_resolved: Whether the half maps agree better than those of noise.
    """

    path: Path
    halves: tuple[Path, Path]
    fsc: Path
    resolution_angstrom: float
    is_inverted: bool = False
    is_nyquist: bool = False
    is_resolved: bool = True


@shown
def reconstruct(
    particles: Path | str,
    output: Path | str,
    settings: ReconstructSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ReconstructedMap:
    """Reconstruct all particles of a table.

    Writes `output` (Wiener-filtered), and beside it NAME_half1.mrc, NAME_half2.mrc (unfiltered,
    unmasked) and NAME_fsc.star.

    Args:
        particles: Particle table.
        output: Map to write, ending in .mrc.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        overwrite: Replace existing files.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When particles, images or settings cannot be used.
        OutputError: When a file exists (without `overwrite`) or cannot be written.
    """
    settings = settings or ReconstructSettings()
    result = _plan_outputs(Path(output), overwrite=overwrite)
    if settings.symmetry.upper() != "C1":
        raise SettingError(
            f"symmetry: found {settings.symmetry!r}, expected C1. Expand the particles by their "
            "symmetry first, then reconstruct with C1."
        )
    resources = use_process(machine)
    table = ParticleSet.read(particles, datadir=settings.datadir, supplement=settings.supplement)
    stacks = StackWatch.begin(table)
    half_set, origin = assign_half_sets(table, settings.seed)
    logger.info("%s", origin)
    images = open_images(table, settings.invert, threads=resources.threads)
    assert progress is not None  # shown gives one
    with progress.task("reconstruction", len(table)) as advance:
        consensus = estimate_consensus(
            images,
            half_set,
            resources.kernels,
            reach=Reach(settings.map_resolution),
            advance=advance,
        )
    estimate, grid = consensus.map, (table.box, table.pixel_size_angstrom)
    maps = {result.path: estimate.full, **dict(zip(result.halves, estimate.halves, strict=True))}
    for path, volume in maps.items():
        write_volume(path, sample_map(volume, table.box), table.pixel_size_angstrom)
    fsc = sample_fsc(estimate.fsc, table.box)
    write_fsc(result.fsc, {"fsc": fsc}, *grid)
    stacks.warn()
    resolution = fsc_resolution_angstrom(fsc, *grid)
    return ReconstructedMap(
        *(result.path, result.halves, result.fsc, resolution),
        is_inverted=consensus.images.treatment.sign < 0,
        is_nyquist=resolution == shell_resolution_angstrom(table.box // 2, *grid),
        is_resolved=is_resolved(fsc),
    )


def _plan_outputs(output: Path, *, overwrite: bool) -> ReconstructedMap:
    """Name the files and refuse those that exist."""
    if not output.name:
        raise SettingError(f"{output}: is a folder. Give the name of a map (.mrc) after -o.")
    beside = [output.with_name(f"{output.stem}_{rest}") for rest in ("half1.mrc", "half2.mrc")]
    result = ReconstructedMap(
        output, (beside[0], beside[1]), output.with_name(f"{output.stem}_fsc.star"), float("inf")
    )
    require_new_maps([result.path, *result.halves, result.fsc], overwrite=overwrite)
    return result
