"""Files of `cryofocus variance`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryofocus.data.volume import write_volume
from cryofocus.inference.variability.resampling import BootstrapVariance
from cryofocus.inference.variability.variability import Variability
from cryofocus.maths.masks import Vector
from cryofocus.workflows.run.writing import write_array
from cryofocus.workflows.variance.inputs import VarianceInputs
from cryofocus.workflows.variance.maps import (
    peak_rows,
    sample_axis,
    sample_bootstrap,
    sample_variance,
)
from cryofocus.workflows.variance.regions import number_voxels
from cryofocus.workflows.variance.result import (
    BOOTSTRAP,
    CONSENSUS,
    LATENT,
    LATENT_VARIANCE,
    PEAKS,
    REGION_VOXELS,
    REGIONS,
    SERIES_PERCENTILES,
    SPHERE,
    SUMMARY,
    VARIANCE,
    PeakRow,
    RegionRow,
    VarianceResult,
    VarianceSummary,
)


def write_variability(
    folder: Path,
    inputs: VarianceInputs,
    found: Variability,
    bootstrap: BootstrapVariance | None,
    result: VarianceResult,
) -> None:
    """Write maps, masks, coordinates and tables.

    Args:
        folder: Existing directory.
        inputs: Particles and their region.
        found: What maps on the particles' grid are made from.
        bootstrap: What those of the bootstrap are made from.
        result: What was found.

    Raises:
        OutputError: Disk full, no permission.
    """
    place = (result.pixel_size_angstrom, inputs.region.origin_angstrom)
    box = inputs.particles.box
    write_volume(folder / CONSENSUS, result.consensus, *place)
    write_volume(folder / VARIANCE, sample_variance(found, box), *place)
    if bootstrap is not None:
        excess = sample_bootstrap(bootstrap, inputs.region.data, box)
        write_volume(folder / BOOTSTRAP, excess, *place)
    (folder / "masks").mkdir()
    for number, proposal in enumerate(result.proposals, start=1):
        write_volume(folder / "masks" / f"region_{number}.mrc", proposal.mask.data, *place)
    write_volume(folder / REGION_VOXELS, number_voxels(result.proposals, box), *place)
    _write_series(folder / "series", found, result, place)
    write_array(folder / LATENT, result.latent.astype(np.float32))
    write_array(folder / LATENT_VARIANCE, result.latent_variance.astype(np.float32))
    _write_particles(folder, inputs, result)
    middle = box // 2 * result.pixel_size_angstrom
    x, y, z = (middle + first for first in inputs.region.origin_angstrom)
    PeakRow.write(folder / PEAKS, peak_rows(result.peaks, (x, y, z)))
    RegionRow.write(folder / REGIONS, region_rows(result))
    _summary(result).write(folder / SUMMARY)


def region_rows(result: VarianceResult) -> list[RegionRow]:
    """Return the rows of regions.csv."""
    return [
        RegionRow(
            region=number,
            **dict(zip(SPHERE, proposal.sphere, strict=True)),
            variance_share=proposal.variance_share,
            axes=proposal.n_axes,
            states=proposal.states,
            states_lowest=proposal.states_lowest,
            states_highest=proposal.states_highest,
            states_text=proposal.states_text,
            mask=f"masks/region_{number}.mrc",
            command=proposal.command,
        )
        for number, proposal in enumerate(result.proposals, start=1)
    ]


def _write_series(
    folder: Path, found: Variability, result: VarianceResult, place: tuple[float, Vector]
) -> None:
    """Write, for every real axis, the consensus moved along it."""
    folder.mkdir()
    for axis in range(result.n_axes):
        deviation = sample_axis(found, axis, len(result.consensus))
        steps = np.percentile(result.latent[:, axis], SERIES_PERCENTILES)
        for number, step in enumerate(steps, start=1):
            moved = result.consensus + np.float32(step) * deviation
            write_volume(folder / f"axis{axis + 1}_{number:02d}.mrc", moved, *place)


def _write_particles(folder: Path, inputs: VarianceInputs, result: VarianceResult) -> None:
    """Write the user's own rows with the coordinates, in the user's own format."""
    particles = inputs.particles
    columns = {
        **inputs.columns,
        "cryofocusLatent": result.latent,
        "cryofocusLatentVariance": result.latent_variance,
    }
    particles.write(folder / f"particles{particles.source.suffix}", columns)


def _summary(result: VarianceResult) -> VarianceSummary:
    """Say the numbers that belong to the whole result."""
    return VarianceSummary(
        particles=len(result.latent),
        axes=result.n_axes,
        axes_looked_for=result.latent.shape[1],
        axis_variance_shares=tuple(result.axis_shares),
        information_per_particle=tuple(result.information),
        half_set_correlation=result.half_set_correlation,
        resolution_angstrom=result.resolution_angstrom,
        series_percentiles=SERIES_PERCENTILES,
        warnings=result.warnings,
    )
