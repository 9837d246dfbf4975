"""Small pages of the analyses, of each kind, with what a browser has to find in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.api.analyses import fsc
from cryofocus.data.volume import write_volume
from cryofocus.report.analyses.covary import write_covary_report
from cryofocus.report.analyses.differences import PICTURES, read_differences
from cryofocus.report.analyses.page import REPORT, write_page
from cryofocus.report.analyses.variance import read_variance
from cryofocus.report.drawing.sheet import Sheet
from cryofocus.workflows.covary import record as covary
from cryofocus.workflows.diffmap import TABLE, DifferenceRow
from cryofocus.workflows.fsc import FscSettings
from cryofocus.workflows.variance import result as variance

BOX, VOXEL = 16, 4.0
NAMES = ("hand", "a_very_long_name_of_a_region", "far foot")


@dataclass(frozen=True)
class Made:
    """A page, the number of its charts, and the commands that can be copied from it."""

    page: Path
    n_charts: int
    commands: tuple[str, ...] = ()


def make_fsc(folder: Path) -> Made:
    """Half maps of a ball, measured within a mask, by direction and from place to place."""
    generator = np.random.default_rng(1)
    grid = np.indices((BOX,) * 3) - BOX // 2
    ball = np.clip(6 - np.sqrt((grid**2).sum(axis=0)), 0, 1).astype(np.float32)
    paths = [folder / name for name in ("half1.mrc", "half2.mrc", "mask.mrc")]
    for path in paths[:2]:
        noise = generator.normal(0, 0.4, ball.shape).astype(np.float32)
        write_volume(path, ball + noise, VOXEL)
    write_volume(paths[2], ball, VOXEL)
    settings = FscSettings(mask=paths[2], directional=True, local=True)
    made = fsc(*paths[:2], folder / "fsc", settings)
    return Made(made.folder / REPORT, 3)


def make_variance(folder: Path) -> Made:
    """Two axes and one region."""
    generator = np.random.default_rng(2)
    np.save(folder / variance.LATENT, generator.normal(size=(300, 3)))
    np.save(folder / variance.LATENT_VARIANCE, np.full((300, 3), 0.1))
    variance.VarianceSummary(
        particles=300,
        axes=2,
        axes_looked_for=3,
        axis_variance_shares=(0.6, 0.2),
        information_per_particle=(2.0, 1.0, 0.1),
        half_set_correlation=0.9,
        resolution_angstrom=18.0,
        series_percentiles=variance.SERIES_PERCENTILES,
    ).write(folder / variance.SUMMARY)
    command = "cryofocus classify 'my set.star' --focus=1.0,2.0,3.0,20.0 --classes 2 -o region_1"
    sphere = dict(zip(variance.SPHERE, (1.0, 2.0, 3.0, 20.0), strict=True))
    states = {"states": 2, "states_lowest": 2, "states_highest": 3, "states_text": "2 (2 to 3)"}
    row = {"region": 1, **sphere, "variance_share": 0.4, "axes": 1, **states}
    variance.RegionRow.write(
        folder / variance.REGIONS,
        [variance.RegionRow(**row, mask="masks/region_1.mrc", command=command)],
    )
    variance.PeakRow.write(
        folder / variance.PEAKS,
        [variance.PeakRow(peak=1, x_angstrom=1.0, y_angstrom=2.0, z_angstrom=3.0, variance=0.5)],
    )
    return Made(write_page(read_variance(folder)), 3, (command,))


def make_differences(folder: Path) -> Made:
    """One pair of maps, with its picture."""
    row = DifferenceRow(
        map="class001_minus_class002.mrc",
        resolution_angstrom=20.0,
        peak_density=1.0,
        peak_significance=9.0,
        peak_x_angstrom=1.0,
        peak_y_angstrom=2.0,
        peak_z_angstrom=3.0,
        volume_cubic_angstrom=10.0,
    )
    DifferenceRow.write(folder / TABLE, [row])
    Sheet(200.0).write(folder / PICTURES.replace("*", ""))
    command = f"chimerax {folder}/class001_minus_class002.mrc {folder}/merged.mrc"
    return Made(write_page(read_differences(folder)), 0, (command,))


def make_covary(folder: Path) -> Made:
    """Three regions over classes, over particles and over units, the third undetermined."""
    matrix = ((1.0, 0.9, None), (0.9, 1.0, None), (None, None, 1.0))
    three, two = (0.5, 0.4, 0.1), ((0.4, 0.1), (0.1, 0.4))
    common = {"correlation": matrix, "low": matrix, "high": matrix, "varies": (True, True, False)}
    classes = covary.ClassLevel(
        **common,
        variation_p=three,
        spread=three,
        error=three,
        n_points=4,
        n_states=2,
        unit="the consensus",
        runs=("run1", "run2"),
        counts=(True, True),
        class_of_row=((0, 1), (0, 2), (1, 1), (1, 2)),
        masses=(three,) * 4,
        errors=((0.01,) * 3,) * 4,
    )
    joint = covary.JointLevel(
        regions=NAMES,
        patterns=(NAMES[:2], ()),
        probability=(0.6, 0.4),
        low=(0.5, 0.3),
        high=(0.7, 0.5),
        follows=matrix,
        follows_high=matrix,
        path=((NAMES[0], NAMES[1]),),
    )
    particles = covary.ParticleLevel(
        **common,
        p_values=matrix,
        null=matrix,
        spread=three,
        spread_error=three,
        noise_spread=three,
        n_particles=300,
        n_permutations=99,
        joint=joint,
        resolution_angstrom=20.0,
    )
    units = covary.UnitLevel(
        run="run1",
        relation=1,
        units=((1, 2),),
        angle_degrees=180.0,
        shift_angstrom=0.0,
        n_pairs=150,
        counts=two,
        joint=two,
        expected=((0.25,) * 2,) * 2,
        p_values=two,
        coupling=0.6,
        coupling_error=0.1,
        information_bits=0.2,
        p_value=0.001,
        adjusted_p_value=0.001,
    )
    covary.CovaryRecord(
        version="0.1.0",
        sources=("run1", "run2"),
        regions=NAMES,
        region_files=("masks/hand.mrc", "masks/" + 60 * "x" + ".mrc", "masks/foot.mrc"),
        class_level=classes,
        particle_level=particles,
        unit_level=(units,),
        warnings=("Too few runs. Give --seed another number.",),
    ).write(folder / covary.RECORD)
    return Made(write_covary_report(folder), 4)


MAKERS: dict[str, Callable[[Path], Made]] = {
    "fsc": make_fsc,
    "variance": make_variance,
    "diffmap": make_differences,
    "covary": make_covary,
}
