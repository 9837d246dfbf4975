"""What `cryofocus variance` found, as plain numbers and maps, and as its tables say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64

from cryofocus.arrays import Volume
from cryofocus.data.mask import FocusMask
from cryofocus.maths.masks import Vector
from cryofocus.workflows.run.record import Record, Row

# Names of its files, for those who write them and those who read them.
SUMMARY = "variance.json"
VARIANCE, BOOTSTRAP, CONSENSUS = "variance.mrc", "bootstrap_variance.mrc", "consensus.mrc"
REGIONS, PEAKS, REGION_VOXELS = "regions.csv", "peaks.csv", "regions.mrc"
LATENT, LATENT_VARIANCE = "latent.npy", "latent_variance.npy"
# Maps along an axis stand where these percentages of the particles lie below.
SERIES_PERCENTILES = (5, 25, 50, 75, 95)
SPHERE = ("x_angstrom", "y_angstrom", "z_angstrom", "radius_angstrom")
ORDER = "Regions are numbered by their share of the variance, the largest first."
MEASURE_AGAIN = "Measure it again with cryofocus variance."


@dataclass(frozen=True)
class VariancePeak:
    """A local maximum of the variance and what surrounds it.

    Attributes:
        place_angstrom: x, y, z from the box centre.
        variance: Mean over the voxels that surround the peak.
        bootstrap_place_angstrom: Place of the bootstrap's peak within those voxels; None without
            bootstrap.
        bootstrap_variance: The bootstrap's variance there; None without bootstrap.
    """

    place_angstrom: Vector
    variance: float
    bootstrap_place_angstrom: Vector | None
    bootstrap_variance: float | None

    @property
    def distance_angstrom(self) -> float | None:
        """How far apart the two maxima are."""
        if self.bootstrap_place_angstrom is None:
            return None
        return float(
            np.linalg.norm(np.subtract(self.place_angstrom, self.bootstrap_place_angstrom))
        )


@dataclass(frozen=True, eq=False)
class ProposedFocus:
    """A sphere to focus on.

    Attributes:
        voxels: Of the region that it encloses, sampled as finely as the variance.
        mask: The sphere, in the map's frame, on the particles' grid.
        centre_angstrom: x, y, z from the box centre.
        variance_share: Of the variance of the whole particle.
        n_axes: Axes of variation inside the sphere that are real.
        states: Most probable number of states.
        states_lowest: Smallest number that cannot be ruled out.
        states_highest: Largest number that cannot be ruled out.
        states_text: The same in words.
        command: What classifies it.
    """

    voxels: Bool[np.ndarray, "fine fine fine"] = field(repr=False)
    mask: FocusMask
    centre_angstrom: Vector
    variance_share: float
    n_axes: int
    states: int
    states_lowest: int
    states_highest: int
    states_text: str
    command: str

    @property
    def sphere(self) -> tuple[float, float, float, float]:
        """X, y, z and radius as `classify --focus` takes them."""
        assert self.mask.centre_angstrom is not None
        assert self.mask.radius_angstrom is not None
        return (*self.mask.centre_angstrom, self.mask.radius_angstrom)


@dataclass(frozen=True, eq=False)
class VarianceResult:
    """What was found and written.

    Attributes:
        folder: Directory written.
        resolution_angstrom: At which differences were looked for.
        consensus: Array (z, y, x), map of all particles.
        pixel_size_angstrom: Of the particles and of the consensus.
        variance: Array (z, y, x), variance of the density over the same extent, sampled twice as
            finely as the resolution needs.
        bootstrap: The same from maps of resampled particles; None unless asked for.
        peaks: Of the variance, the strongest first, and what the bootstrap has there.
        axis_shares: `(axis,)` of the variance that each real axis makes up.
        information: `(q,)` mean signal-to-noise ratio of each coordinate in one image.
        half_set_correlation: Of the variance maps of both half sets.
        latent: `(particle, q)` coordinates of the particles; real axes first.
        latent_variance: `(particle, q)` variance of their posterior.
        proposals: Focus spheres, the one that holds most variance first.
        warnings: What images and table disagree about.
    """

    folder: Path
    resolution_angstrom: float
    consensus: Volume = field(repr=False)
    pixel_size_angstrom: float
    variance: Float32[np.ndarray, "fine fine fine"] = field(repr=False)
    bootstrap: Float32[np.ndarray, "fine fine fine"] | None = field(repr=False)
    peaks: tuple[VariancePeak, ...]
    axis_shares: Float64[np.ndarray, " axis"]
    information: Float64[np.ndarray, " q"]
    half_set_correlation: float
    latent: Float64[np.ndarray, "particle q"] = field(repr=False)
    latent_variance: Float64[np.ndarray, "particle q"] = field(repr=False)
    proposals: tuple[ProposedFocus, ...]
    warnings: tuple[str, ...] = ()

    @property
    def n_axes(self) -> int:
        """Axes of variation that are real."""
        return len(self.axis_shares)

    def say_axes(self) -> str:
        """Say how many axes are real, and how alike the half sets' variance is."""
        shares = ", ".join(f"{100 * share:.0f} %" for share in self.axis_shares)
        made_of = f", with {shares} of the variance found" if self.n_axes else ""
        return (
            f"Axes         {self.n_axes} confirmed by both half sets{made_of}\n"
            f"Half sets    correlation of variance maps {self.half_set_correlation:.3f}"
        )

    def summary(self) -> str:
        """Say how many axes are real, and which spheres hold the variance."""
        lines = [self.say_axes()]
        for number, proposal in enumerate(self.proposals, start=1):
            sphere = ",".join(f"{value:.1f}" for value in proposal.sphere)
            lines.append(
                f"Region {number}     sphere {sphere}, "
                f"{100 * proposal.variance_share:.0f} % of the variance, "
                f"states: {proposal.states_text}"
            )
        if self.proposals:
            lines.append(ORDER)
        return "\n".join(lines)

    @property
    def voxel_size_angstrom(self) -> float:
        """Å per voxel of `variance`."""
        return self.pixel_size_angstrom * len(self.consensus) / len(self.variance)


class RegionRow(Row):
    """One proposed sphere: a row of regions.csv.

    Attributes:
        region: From 1.
        x_angstrom: Centre as `classify --focus` takes it, with y and z.
        radius_angstrom: Of the sphere.
        variance_share: Of the variance of the whole particle.
        axes: Axes of variation inside the sphere that are real.
        states: Most probable number of states, with the lowest and highest not ruled out.
        states_text: The same in words.
        mask: Its file.
        command: What classifies it, in so many classes; it leaves their number to `auto` where one
            state or continuous motion explains the region best.
    """

    remedy = MEASURE_AGAIN

    region: int
    x_angstrom: float
    y_angstrom: float
    z_angstrom: float
    radius_angstrom: float
    variance_share: float
    axes: int
    states: int
    states_lowest: int
    states_highest: int
    states_text: str
    mask: str
    command: str


class PeakRow(Row):
    """One peak of the variance, and what a bootstrap has there: a row of peaks.csv.

    Attributes:
        peak: From 1, the strongest first.
        x_angstrom: Place in the map's frame, with y and z.
        variance: Mean around the peak.
        bootstrap_variance: The same of the bootstrap; None where there was none.
        bootstrap_rank: Of the peak by the bootstrap.
        bootstrap_distance_angstrom: Between the two maxima.
    """

    remedy = MEASURE_AGAIN

    peak: int
    x_angstrom: float
    y_angstrom: float
    z_angstrom: float
    variance: float
    bootstrap_variance: float | None = None
    bootstrap_rank: int | None = None
    bootstrap_distance_angstrom: float | None = None


class VarianceSummary(Record):
    """All of variance.json: the numbers that belong to the whole result.

    Attributes:
        particles: How many were compared.
        axes: Axes of variation that are real.
        axes_looked_for: How many there could have been.
        axis_variance_shares: Of the variance that each real axis makes up.
        information_per_particle: Mean signal-to-noise ratio of each coordinate in one image.
        half_set_correlation: Of the variance maps of both half sets.
        resolution_angstrom: At which differences were looked for.
        series_percentiles: Where the maps along an axis stand.
        warnings: What images and table disagree about.
    """

    remedy = MEASURE_AGAIN

    particles: int
    axes: int
    axes_looked_for: int
    axis_variance_shares: tuple[float, ...]
    information_per_particle: tuple[float, ...]
    half_set_correlation: float
    resolution_angstrom: float
    series_percentiles: tuple[int, ...]
    warnings: tuple[str, ...] = ()
