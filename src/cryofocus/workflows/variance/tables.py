"""The tables and the summary of `cryofocus variance`."""

from __future__ import annotations

from cryofocus.workflows.run.record import Record
from cryofocus.workflows.run.tables import Row

SPHERE = ("x_angstrom", "y_angstrom", "z_angstrom", "radius_angstrom")
MEASURE_AGAIN = "Measure it again with cryofocus variance."


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
        command: What classifies it.
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
