"""`cryofocus subtract`: images without the density outside a mask, as a stack for any program."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float32, Int8

from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.residual_power import measure_residual_power
from cryofocus.consensus.sampling import sample_map
from cryofocus.consensus.subparticles import cut_images
from cryofocus.consensus.subtraction import Subtraction, fit_sample, fit_subtraction
from cryofocus.data.abilities import SubtractedRows
from cryofocus.data.mrc import read_header, write_stack
from cryofocus.data.particles import ParticleSet
from cryofocus.data.subtracted_stacks import subtracted_labels
from cryofocus.data.volume import write_volume
from cryofocus.errors import InputError
from cryofocus.formatting import format_percent
from cryofocus.maths.grids import cut_cube
from cryofocus.maths.masks import resample_mask
from cryofocus.version import __version__
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.machine.resources import Resources, use_process
from cryofocus.workflows.run.log import record_log
from cryofocus.workflows.run.new_directory import leave, new_directory
from cryofocus.workflows.run.stack_watch import StackWatch
from cryofocus.workflows.run.writing import require_free_space, write_text
from cryofocus.workflows.subtract.density import Density, find_density
from cryofocus.workflows.subtract.inputs import (
    SubtractInputs,
    SubtractSettings,
    mask_radius_pixels,
    read_subtract_inputs,
    require_density,
)
from cryofocus.workflows.subtract.record import (
    DESCRIPTION,
    KEEP_MASK,
    KIND,
    LOG,
    README,
    REPORT,
    STEM,
    SUBTRACTED_MAPS,
    PowerRecord,
    readme_text,
)
from cryofocus.workflows.subtract.table import moved_columns, subtracted_in

logger = logging.getLogger(__name__)

# Enough images for a picture that shows a few per cent of the noise's power.
POWER_PARTICLES = 1000
# Of fewer images, maps and the power they are compared with are mostly their own noise.
FEWEST_TO_TELL = 100
# A map whose projections are found in the images with fewer standard errors is not theirs.
SMALLEST_SIGNIFICANCE = 5.0


@dataclass(frozen=True)
class SubtractedSet:
    """What was written.

    Attributes:
        directory: Holds the table, its stack, keep_mask.mrc and what README.txt lists.
        table: The particle table, of the format of the one that was given.
        n_particles: Number of images.
        grey_scale: For each half set, what its map was multiplied by.
        scale_spread: Standard deviation of the particles' intensities, noise taken off.
        outside: Mean power outside the mask's projection, over that of the noise: of the images
            before, after, and what a perfect subtraction would leave.
    """

    directory: Path
    table: Path
    n_particles: int
    grey_scale: tuple[float, float]
    scale_spread: float
    outside: tuple[float, float, float]

    @property
    def report(self) -> Path:
        """How well the subtraction fits: power before and after, against the noise."""
        return self.directory / REPORT

    @property
    def keep_mask(self) -> Path:
        """The mask that was kept, on the grid of the new images."""
        return self.directory / KEEP_MASK

    @property
    def can_tell(self) -> bool:
        """Whether there are enough images to say how much was removed."""
        return self.n_particles >= FEWEST_TO_TELL

    @property
    def removed_share(self) -> float:
        """Share of the removable power outside the mask's projection that is gone, up to 1."""
        before, after, perfect = self.outside
        # Maps hold a little of the noise of the very images, so that more than all may go.
        return min((before - after) / (before - perfect), 1.0) if before > perfect else 1.0

    def summary(self) -> str:
        """Say what was written, and how much was removed."""
        removed = f"{format_percent(self.removed_share)} of the power outside removed"
        if not self.can_tell:
            removed = f"{self.n_particles} images are too few to say how much was removed"
        return (
            f"Particles  {self.table}, {self.n_particles:,} images\n"
            f"Mask       {self.keep_mask}, on their grid\n"
            f"Fit        {self.report}: {removed}"
        )


def subtract(  # noqa: PLR0913  # three paths, what to do with them and by what means
    particles: Path | str,
    keep: Path | str,
    output: Path | str,
    settings: SubtractSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    finish: Callable[[Path], object] = leave,
) -> SubtractedSet:
    """Do what `cryofocus.subtract` says, but for its figure, which `finish` draws."""
    settings, output, clock = settings or SubtractSettings(), Path(output), StageClock()
    progress, machine = progress or SilentProgress(), machine or Machine()
    resources = use_process(machine)
    KIND.require_usable(output, overwrite=overwrite)
    with clock.stage("reading"):
        inputs = read_subtract_inputs(Path(particles), Path(keep), output, settings)
    _require_room(output, inputs, settings)
    form = subtracted_in(inputs.particles.source)
    table, stack = STEM + inputs.particles.source.suffix, STEM + form.stack_suffix
    stacks = StackWatch.begin(inputs.particles)
    with new_directory(output, KIND, overwrite=overwrite) as folder, record_log(folder / LOG):
        half_set, origin = assign_half_sets(inputs.particles, settings.seed)
        logger.info("%s", origin)
        subtraction, density = _fit(inputs, half_set, settings, resources, clock, progress)
        with clock.stage("subtraction"):
            scale = _write_images(folder / stack, subtraction, inputs, settings, progress)
        with clock.stage("residual power"):
            power = _measure_power(subtraction, inputs, density, progress)
        power.write(folder)
        _write_maps(folder, inputs, density, settings.box)
        names = [f"{number:06d}@{output / stack}" for number in range(1, len(scale) + 1)]
        box = settings.box or inputs.particles.box
        pixel = inputs.particles.pixel_size_angstrom
        moved = moved_columns(inputs.particles, inputs.cut)
        rows = SubtractedRows(names, half_set, scale, box, pixel, moved)
        form.write(folder / table, rows)
        result = SubtractedSet(
            output,
            output / table,
            len(scale),
            subtraction.grey_scale,
            float(np.sqrt(subtraction.scale_prior.variance)),
            tuple(power.outside.tolist()),
        )
        write_text(folder / README, readme_text(folder / table, folder / stack))
        record = _describe(inputs, settings, density, result, clock) | machine.model_dump()
        sources = {"particles": str(particles), "keep": str(keep)}
        text = yaml.safe_dump(sources | record, sort_keys=False, allow_unicode=True)
        write_text(folder / DESCRIPTION, text)
        finish(folder)
        stacks.warn()
    return result


def _fit(
    inputs: SubtractInputs,
    half_set: Int8[np.ndarray, " particle"],
    settings: SubtractSettings,
    resources: Resources,
    clock: StageClock,
    progress: Progress,
) -> tuple[Subtraction, Density]:
    """Find the density and bring it onto the grey scale of the images."""
    images, kernels = open_images(inputs.particles, threads=resources.threads), resources.kernels
    with clock.stage("maps"), progress.task("half maps", len(images)) as advance:
        density = find_density(images, half_set, inputs, kernels, advance)
    for volume in density.maps:
        require_density(inputs.mask, volume)
    n_steps = 2 * len(fit_sample(density.images))
    with clock.stage("fit"), progress.task("grey scale and noise", n_steps) as advance:
        subtraction = fit_subtraction(
            density.images, half_set, density.maps, inputs.mask.data, kernels, advance=advance
        )
    _require_significance(subtraction, settings)
    _log_fit(subtraction)
    return subtraction, density


def _require_significance(subtraction: Subtraction, settings: SubtractSettings) -> None:
    """Refuse a map that the images do not show: subtracting it would do nothing, or harm."""
    given = (settings.map, settings.half2 or settings.map)
    for path, significance in zip(given, subtraction.significance, strict=True):
        if path is not None and abs(significance) < SMALLEST_SIGNIFICANCE:
            raise InputError(
                f"{path}: its projections are not found in the images (scale {significance:.1f} "
                "standard errors from 0). Check that map and poses belong together."
            )


def _log_fit(subtraction: Subtraction) -> None:
    first, second = subtraction.grey_scale
    is_dark = first * subtraction.images.treatment.sign < 0
    shared = len(subtraction.density.volumes) == 1
    logger.info(
        "grey scale of the map%s in the images: %s; protein is %s in the images",
        "" if shared else "s",
        f"{first:.4g}" if shared else f"{first:.4g} and {second:.4g}",
        "dark" if is_dark else "bright",
    )
    spread = np.sqrt(subtraction.scale_prior.variance)
    if spread > 0:
        logger.info(
            "intensities of the particles spread by %.0f %%, fitted one by one", 100 * spread
        )
    else:
        logger.info("intensities of the particles do not differ beyond noise: one for all")


def _require_room(output: Path, inputs: SubtractInputs, settings: SubtractSettings) -> None:
    """Refuse before any work what would not fit on the disk."""
    existing = next(folder for folder in output.absolute().parents if folder.is_dir())
    box, whole = settings.box or inputs.particles.box, inputs.particles.box
    stack = len(inputs.particles) * box**2 * (2 if settings.float16 else 4)
    require_free_space(existing, stack + 3 * 4 * whole**3)


def _write_images(
    path: Path,
    subtraction: Subtraction,
    inputs: SubtractInputs,
    settings: SubtractSettings,
    progress: Progress,
) -> Float32[np.ndarray, " particle"]:
    """Subtract and write chunk by chunk; returns the particles' intensities."""
    n, cut = len(inputs.particles), inputs.cut
    box = settings.box or inputs.particles.box
    scale = np.empty(n, np.float32)

    def images() -> Iterator[Float32[np.ndarray, "m edge edge"]]:
        done = 0
        for pixels, intensities in subtraction.pixels():
            which = slice(done, done + len(pixels))
            scale[which] = intensities
            yield pixels if cut is None else cut_images(pixels, cut.offset_pixels[which], box)
            done = which.stop
            advance(len(pixels))

    with progress.task("subtraction", n) as advance:
        write_stack(
            path,
            images(),
            n,
            box,
            inputs.particles.pixel_size_angstrom,
            float16=settings.float16,
            labels=_label(path, inputs.particles),
        )
    return scale


def _label(stack: Path, particles: ParticleSet) -> tuple[str, ...]:
    """Say in the stack what it was made from."""
    names = particles.source.columns().places.stacks
    alike = [path for path in particles.stack_paths if path.stem == stack.stem]
    return subtracted_labels(stack.name, names, map(read_header, alike))


def _measure_power(
    subtraction: Subtraction, inputs: SubtractInputs, density: Density, progress: Progress
) -> PowerRecord:
    """Average power before and after over images spread evenly over the set."""
    n, particles = len(inputs.particles), subtraction.images.particles
    which = np.unique(np.linspace(0, n - 1, min(POWER_PARTICLES, n)).astype(np.int64))
    with progress.task("residual power", len(which)) as advance:
        power = measure_residual_power(
            subtraction,
            resample_mask(inputs.mask.data, particles.box),
            inputs.centre_angstrom,
            density.n_shells,
            which,
            advance=advance,
        )
    extent = particles.box * particles.pixel_size_angstrom
    radius = mask_radius_pixels(inputs.mask, inputs.centre_angstrom)
    return PowerRecord(
        frequency=np.arange(power.shells.shape[1]) / extent,
        shells=power.shells,
        pictures=power.pictures,
        inside=power.inside,
        outside=power.outside,
        pixel_size_angstrom=particles.pixel_size_angstrom,
        mask_radius_angstrom=radius * inputs.mask.voxel_size_angstrom,
        n_images=len(which),
    )


def _write_maps(folder: Path, inputs: SubtractInputs, density: Density, edge: int | None) -> None:
    """Write the mask on the grid of the new images, and what was subtracted."""
    mask, voxel = inputs.mask, inputs.particles.pixel_size_angstrom
    kept, origin = mask.data, mask.origin_angstrom
    if edge is not None:
        centre = reversed(inputs.centre_angstrom)
        middle = [inputs.particles.box // 2 + round(c / voxel) for c in centre]
        kept = cut_cube(kept, middle, edge)
        low = [m - edge // 2 for m in reversed(middle)]
        x, y, z = (o + i * voxel for o, i in zip(origin, low, strict=True))
        origin = (x, y, z)
    write_volume(folder / KEEP_MASK, kept, voxel, origin)
    maps = density.maps[:1] if density.is_shared else density.maps
    for name, volume in zip(SUBTRACTED_MAPS, maps, strict=False):
        removed = (1 - mask.data) * sample_map(volume, len(mask.data))
        write_volume(folder / name, removed, voxel, mask.origin_angstrom)


def _describe(
    inputs: SubtractInputs,
    settings: SubtractSettings,
    density: Density,
    result: SubtractedSet,
    clock: StageClock,
) -> dict[str, Any]:
    """Say in plain values what was done and what came out."""
    return settings.model_dump(mode="json") | {
        "version": __version__,
        "n_particles": result.n_particles,
        "density": density.origin,
        "density_resolution_angstrom": round(density.resolution_angstrom, 3),
        "grey_scale": [float(f"{factor:.6g}") for factor in result.grey_scale],
        "scale_spread": round(result.scale_spread, 4),
        "centre_angstrom": list(inputs.centre_angstrom) if inputs.cut is not None else None,
        "power_outside_mask": [round(power, 4) for power in result.outside],
        "seconds": {stage: round(seconds, 1) for stage, seconds in clock.seconds.items()},
        "peak_memory_gb": round(max(clock.peak_memory_gb.values()), 2),
    }
