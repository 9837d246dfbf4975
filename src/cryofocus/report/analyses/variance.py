"""The page of `variance`: where particles differ, and what to focus on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryofocus.formatting import format_angstrom, format_count, format_percent
from cryofocus.report.analyses.page import Analysis, Picture, Table, present_files
from cryofocus.report.analyses.variance_figures import LATENT_FIGURE, VARIANCE_FIGURE
from cryofocus.workflows.variance.result import (
    PEAKS,
    REGIONS,
    SPHERE,
    SUMMARY,
    PeakRow,
    RegionRow,
    VarianceSummary,
)

FILES = (
    ("variance.mrc", "variance of the density over the particles, noise removed"),
    (REGIONS, "proposed spheres, with the commands that classify them"),
    ("masks/*.mrc", "the spheres as masks"),
    ("series/*.mrc", "the map moved along each axis"),
    ("particles.*", "the particle table with every particle's coordinates"),
    ("latent.npy", "coordinates; their variances are in latent_variance.npy"),
    ("bootstrap_variance.mrc", "variance of maps of resampled particles"),
    (PEAKS, "peaks of the variance, and of the bootstrap beside them"),
)


def read_variance(folder: Path) -> Analysis:
    """Read a result of `variance` for a page.

    Raises:
        FormatError: When a file of it is missing or damaged.
    """
    summary = VarianceSummary.read(folder / SUMMARY)
    regions, peaks = RegionRow.read(folder / REGIONS), PeakRow.read(folder / PEAKS)
    return Analysis(
        folder=folder,
        title="Where particles differ",
        headline=_headline(summary.axes),
        verdict=_verdict(summary, peaks),
        pictures=_pictures(folder),
        table=_table(regions) if regions else None,
        files=present_files(folder, FILES),
    )


def _headline(n_axes: int) -> str:
    if n_axes == 0:
        return "Nothing was found to vary"
    return f"{n_axes} ax{'e' if n_axes > 1 else 'i'}s of variation"


def _verdict(summary: VarianceSummary, peaks: Sequence[PeakRow]) -> str:
    told = (
        f"Over {format_count(summary.particles)} particles, at "
        f"{format_angstrom(summary.resolution_angstrom)}."
    )
    if summary.axes == 0:
        return f"{told} No axis was confirmed by the half set that had no part in finding it."
    told += f" Variance maps of the half sets correlate by {summary.half_set_correlation:.2f}."
    distances = [
        row.bootstrap_distance_angstrom
        for row in peaks
        if row.bootstrap_distance_angstrom is not None
    ]
    if distances:
        told += (
            f" The bootstrap's {len(distances)} peaks lie at most "
            f"{format_angstrom(max(distances))} from the variance's."
        )
    return told


def _pictures(folder: Path) -> tuple[Picture, ...]:
    shown = (
        (
            VARIANCE_FIGURE,
            "Variance over the consensus from three sides",
            "Consensus in grey, the largest variance along each view in colour, and the proposed "
            "spheres.",
        ),
        (
            LATENT_FIGURE,
            "Density of the particles along the axes of variation",
            "How the particles are spread along the axes; the cross is the error of one particle, "
            "and the dotted lines are where the maps of the series stand. Separate clouds are "
            "states, one smear is motion.",
        ),
    )
    return tuple(
        Picture.from_png(folder / name, alternative, note)
        for name, alternative, note in shown
        if (folder / name).is_file()
    )


def _table(regions: Sequence[RegionRow]) -> Table:
    rows = tuple(
        (
            str(row.region),
            ",".join(f"{getattr(row, name):.1f}" for name in SPHERE),
            format_percent(row.variance_share),
            row.states_text,
            row.command,
        )
        for row in regions
    )
    return Table(("Region", "Sphere X,Y,Z,R (Å)", "Of variance", "States", "Command"), rows)
