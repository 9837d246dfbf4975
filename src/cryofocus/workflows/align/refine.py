"""`cryofocus align refine`: poses improved against a map, or against the particles' own."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from pydantic import Field, model_validator
from scipy.spatial.transform import Rotation

from cryofocus.arrays import Volume
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reach import Reach, cropped_with_margin
from cryofocus.consensus.sampling import sample_map
from cryofocus.data.labels import (
    ANGLE_ERROR_LABEL,
    GAIN_LABEL,
    SHIFT_ERROR_LABEL,
    pose_columns,
)
from cryofocus.data.particles import ParticleSet
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.data.volume import read_volume_on_grid
from cryofocus.errors import InputError, SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.option import Option
from cryofocus.poses.against_map import MAX_PASSES, refine_against_map
from cryofocus.poses.half_maps import symmetrise_map
from cryofocus.poses.result import with_poses
from cryofocus.poses.rounds import (
    GROUP_ROUNDS,
    RefinedImages,
    RoundSettings,
    refine_in_rounds,
)
from cryofocus.workflows.align.groups import GroupFinder
from cryofocus.workflows.align.search_inputs import FEWEST_SHELLS, require_symmetry
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.run.new_names import require_format_of, require_new_table
from cryofocus.workflows.run.stack_watch import StackWatch

logger = logging.getLogger(__name__)

ITERATIONS = 6
"""Of reconstructing and refining where no reference is given, unless they settle sooner."""
# A reference is trusted to this resolution only where half maps of the particles follow.
FIRST_RESOLUTION_ANGSTROM = 35.0
# The symmetry of a reference is looked at no finer than this.
SYMMETRY_RESOLUTION_ANGSTROM = 20.0
# Errors left this close to those given mean that the images have added nothing, unless the given
# poses were good.
HARDLY_BETTER = 0.9
GOOD_DEGREES = 2.0


class AlignRefineSettings(TableSource):
    """How to refine.

    Attributes:
        reference: Map on the particles' grid, in any grey scale. Default: the particles' own half
            maps.
        symmetry: Point group of the map, in RELION's axes.
        max_resolution_angstrom: Finest detail compared, in Å. Default: what map and images agree
            on. For a map made from the same particles give the resolution of its FSC.
        iterations: Maximum number of rounds of reconstructing half maps and refining against them.
            Default: none with a reference, 6 without; with both, the reference is used only
            to 35 Å.
        groups: Groups of particles that vary alike, each compared with its own density once the
            half maps have brought the poses as far as they can; 1 for none. There are none
            where nothing varies by more than noise, with fewer than 20 particles per group in a
            half set, or with a reference and no iterations.
        invert: Whether protein is dark in the images; `auto` decides from the density.
        seed: Random seed of the half sets, if the table has none, and of the groups.

    Raises:
        SettingError: When a number is out of its range, or nothing would be done.
    """

    reference: Path | None = None
    symmetry: Annotated[str, Option(metavar="GROUP")] = "C1"
    max_resolution_angstrom: float | None = None
    iterations: int | None = Field(default=None, ge=0)
    groups: int = Field(default=8, ge=1)
    invert: InvertChoice = "auto"
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _something_to_do(self) -> AlignRefineSettings:
        limit = self.max_resolution_angstrom
        if limit is not None and not 0 < limit < np.inf:
            raise SettingError(
                f"max_resolution: found {limit:g}, expected a length above 0. Give it in Å."
            )
        if self.n_iterations < 1 and self.reference is None:
            raise SettingError(
                "iterations: 0 without a reference leaves nothing to refine against. Give "
                "--reference MAP, or at least one iteration."
            )
        return self

    @property
    def n_iterations(self) -> int:
        """Rounds of reconstructing and refining, at most."""
        if self.iterations is not None:
            return self.iterations
        return ITERATIONS if self.reference is None else 0


@dataclass(frozen=True, eq=False)
class RefinedTable:
    """What was written.

    Attributes:
        path: The particle table.
        n_particles: Its rows.
        turn_degrees: `(n, 3)` rotation vector of each particle about the map's x, y and z axes.
        move_angstrom: `(n, 2)` change of each shift.
        angle_error_degrees: Root-mean-square error to expect of angles, median.
        shift_error_angstrom: The same of shifts.
    """

    path: Path
    n_particles: int
    turn_degrees: Float64[np.ndarray, "n 3"]
    move_angstrom: Float64[np.ndarray, "n 2"]
    angle_error_degrees: float
    shift_error_angstrom: float

    @property
    def moved_degrees(self) -> float:
        """Median angle by which particles have turned."""
        return float(np.median(np.linalg.norm(self.turn_degrees, axis=1)))

    @property
    def moved_angstrom(self) -> float:
        """Median length by which particles have shifted."""
        return float(np.median(np.linalg.norm(self.move_angstrom, axis=1)))

    def summary(self) -> str:
        """Say how far particles moved, and how wrong their poses may still be."""
        return (
            f"Table      {self.path}, {self.n_particles:,} particles\n"
            f"Moved      by {self.moved_degrees:.2f}° and {self.moved_angstrom:.2f} Å (median)\n"
            f"Errors     {self.angle_error_degrees:.2f}° and {self.shift_error_angstrom:.2f} Å "
            "remaining (expected; root mean square, median over particles)"
        )


@shown
def align_refine(
    particles: Path | str,
    output: Path | str,
    settings: AlignRefineSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RefinedTable:
    """Improve the poses of a table by maximum likelihood, starting at those it has.

    The table keeps its own rows; angles and origins are replaced, and three columns say how sure
    they are: `cryofocusPoseAngleError` (degrees) and `cryofocusPoseShiftError` (Å), the
    root-mean-square errors to expect, and `cryofocusPoseGain`, the log-likelihood over an image
    of nothing but noise. Where half maps are made, half sets never see each other's images.

    Args:
        particles: Particle table with poses.
        output: Table to write, in the format of the one that is read.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        overwrite: Replace an existing table.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When particles, images, map or settings cannot be used.
        OutputError: When the table exists (without `overwrite`) or cannot be written.
    """
    settings, output = settings or AlignRefineSettings(), Path(output)
    require_new_table(output, Path(particles), overwrite=overwrite)
    resources = use_process(machine)
    inputs = _read(Path(particles), output, settings, resources.threads)
    stacks = StackWatch.begin(inputs.particles)
    n_passes = settings.n_iterations + (MAX_PASSES if inputs.volume is not None else 0)
    if settings.n_iterations and settings.groups > 1:
        # Groups are found, and compared.
        n_passes += 2 * GROUP_ROUNDS
    n_steps = n_passes * len(inputs.particles)
    assert progress is not None  # shown gives one
    with progress.task("poses", n_steps, at_most=True) as advance:
        refined = _refine(inputs, settings, resources.kernels, advance)
    inputs.particles.write(output, _columns(refined))
    note_image_folder(output, inputs.particles.source, datadir=settings.datadir)
    stacks.warn()
    return _summarise(output, inputs.particles, refined)


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Particles, their images, the reference if there is one, and its symmetry."""

    particles: ParticleSet
    images: ParticleImages
    volume: Volume | None
    operators: OperatorSet


def _read(particles: Path, output: Path, settings: AlignRefineSettings, threads: int) -> _Inputs:
    """Read and check everything before any work."""
    operators = OperatorSet.point_group(settings.symmetry)
    table = ParticleSet.read(particles, datadir=settings.datadir, supplement=settings.supplement)
    require_format_of(table.source, output)
    _require_band(table, settings.max_resolution_angstrom)
    volume = None
    if settings.reference is not None:
        volume = _read_reference(settings.reference, table, operators)
    images = open_images(table, settings.invert, threads=threads)
    return _Inputs(table, images, volume, operators)


def _require_band(table: ParticleSet, limit: float | None) -> None:
    extent = table.box * table.pixel_size_angstrom
    if limit is not None and extent / limit < FEWEST_SHELLS - 1:
        raise SettingError(
            f"max_resolution: {limit:g} Å leaves fewer than {FEWEST_SHELLS} Fourier shells of "
            f"images of {extent:.0f} Å, too few to tell one pose from another. Give "
            f"{extent / (FEWEST_SHELLS - 1):.0f} Å or finer."
        )


def _read_reference(path: Path, table: ParticleSet, operators: OperatorSet) -> Volume:
    """Read the reference and give it exactly the symmetry it is said to have."""
    pixel = table.pixel_size_angstrom
    volume = read_volume_on_grid(path, table.box, pixel).data
    if volume.min() == volume.max():
        raise InputError(
            f"{path}: the same value in every voxel; expected a map with density. Check that "
            "this is the right file."
        )
    if len(operators) == 1:
        return volume
    resolution = max(SYMMETRY_RESOLUTION_ANGSTROM, 4 * pixel)
    require_symmetry(path, volume, pixel, operators, resolution)
    return symmetrise_map(volume, operators, pixel)


def _refine(
    inputs: _Inputs, settings: AlignRefineSettings, kernels: SliceKernels, advance: Advance
) -> RefinedImages:
    """Refine against the reference, if there is one, then in rounds, if there are any."""
    images, refined = inputs.images, None
    limit, n_rounds = settings.max_resolution_angstrom, settings.n_iterations
    if inputs.volume is not None:
        rough = max(limit or 0.0, FIRST_RESOLUTION_ANGSTROM) if n_rounds else limit
        max_shells = _n_shells(images, rough)
        narrow = cropped_with_margin(images, max_shells)
        volume = sample_map(inputs.volume, narrow.particles.box, threads=images.threads)
        refined = refine_against_map(narrow, volume, kernels, max_shells, advance=advance)
        images = replace(images, treatment=refined.images.treatment)
        images = with_poses(images, refined.poses.rotation, refined.poses.shift_angstrom)
    if n_rounds:
        half_set, origin = assign_half_sets(inputs.particles, settings.seed)
        logger.info("%s", origin)
        operators = inputs.operators if len(inputs.operators) > 1 else None
        rounds = RoundSettings(limit, n_rounds, operators, Reach(at_least_angstrom=limit))
        find_groups = None
        if settings.groups > 1:
            find_groups = GroupFinder(half_set, settings.groups, settings.seed, kernels, advance)
        refined = refine_in_rounds(
            images, half_set, kernels, rounds, find_groups=find_groups, advance=advance
        )
    assert refined is not None
    return refined


def _n_shells(images: ParticleImages, limit: float | None) -> int:
    """Shells up to a resolution, at most those whose slices stay on the grid."""
    particles, largest = images.particles, images.largest_band().n_shells
    if limit is None:
        return largest
    return min(largest, int(particles.box * particles.pixel_size_angstrom / limit) + 1)


def _columns(refined: RefinedImages) -> dict[str, np.ndarray]:
    poses = refined.poses
    return pose_columns(poses.rotation, poses.shift_angstrom) | {
        ANGLE_ERROR_LABEL: poses.angle_error_degrees,
        SHIFT_ERROR_LABEL: poses.shift_error_angstrom,
        GAIN_LABEL: poses.log_likelihood_gain,
    }


def _summarise(output: Path, particles: ParticleSet, refined: RefinedImages) -> RefinedTable:
    poses, prior = refined.poses, refined.prior
    angle = float(np.median(poses.angle_error_degrees))
    given = float(np.degrees(np.sqrt(3) * prior.angle_sd_radians))
    if angle > max(HARDLY_BETTER * given, GOOD_DEGREES):
        logger.warning(
            "the images contain almost no orientation information: errors of %.1f degrees "
            "remain, hardly better than the input poses. They may be noise, or show "
            "something else.",
            angle,
        )
    # A' = A exp([w]): the turn w of the volume before it is seen.
    relative = np.swapaxes(particles.rotation, 1, 2) @ poses.rotation
    return RefinedTable(
        output,
        len(particles),
        Rotation.from_matrix(relative).as_rotvec(degrees=True),
        poses.shift_angstrom - particles.shift_angstrom,
        angle,
        float(np.median(poses.shift_error_angstrom)),
    )
