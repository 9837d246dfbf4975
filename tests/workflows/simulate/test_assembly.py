"""The directory that `simulate_assembly` writes."""

from __future__ import annotations

import csv
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import yaml

from cryofocus.data.grid_map import GridMap
from cryofocus.data.particles import ParticleSet
from cryofocus.data.shapes.models import DensityGrid, model_density
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import OutputError, SettingError
from cryofocus.maths.rotations import geodesic_degrees, rotation_from_euler
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.simulate.assembly import SimulatedAssembly, simulate_assembly

SETTINGS = AssemblySettings(particles=200, seed=5, box=33, junk_share=0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedAssembly:
    """A small set; tests must not change it."""
    return simulate_assembly(tmp_path_factory.mktemp("assembly") / "set", SETTINGS)


def columns(path: Path, *labels: str) -> np.ndarray:
    """Numeric columns of a particle table."""
    document = StarDocument.read(path)
    table = document.numbers(document.block("particles"), labels)
    return np.stack([table[label] for label in labels], axis=1)


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table of comma-separated values."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_directory_is_complete(made: SimulatedAssembly) -> None:
    """Every file is there, and the description repeats every parameter and the figures."""
    names = {path.name for path in made.directory.iterdir()}
    assert names == {
        *("particles.star", "particles.mrcs", "truth.star", "truth_focused.star", "maps"),
        *("states.csv", "regions.csv", "masks", "models", "dataset.yaml"),
        *("oracle.npy", "oracle_focused.npy", "oracle_model.npy", "oracle_given.npy"),
    }
    description = yaml.safe_load((made.directory / "dataset.yaml").read_text())
    assert set(AssemblySettings.model_fields) <= set(description)
    assert description["oracle_given_kappa"] == made.oracle_given_kappa
    for sphere in ("focus_sphere", "control_sphere", "cutting_sphere"):
        assert len(description[sphere].split(",")) == 4
    shapes = {"oracle": 32, "oracle_focused": 2, "oracle_model": 2, "oracle_given": 2}
    for name, n_classes in shapes.items():
        posteriors = np.load(made.directory / f"{name}.npy")
        assert (posteriors.shape, posteriors.dtype) == ((200, n_classes), np.float32)


def test_tables_and_maps_belong_together(made: SimulatedAssembly) -> None:
    """Every state and region has its file, and a particle the regions of its state."""
    states, regions = rows(made.directory / "states.csv"), rows(made.directory / "regions.csv")
    assert {row["map"] for row in states} == {p.name for p in (made.directory / "maps").iterdir()}
    assert {r["mask"] for r in regions} == {p.name for p in (made.directory / "masks").iterdir()}
    truth = columns(
        made.directory / "truth.star", "rlnClassNumber", "cryofocusJunk", "cryofocusEfG"
    ).astype(int)
    for number, _, has in truth[truth[:, 1] == 0]:
        assert states[number - 1]["ef_g"] == str(has)
    sums = {}
    for row in states[:2]:
        with mrcfile.open(made.directory / "maps" / row["map"]) as file:
            sums[row["trna"]] = np.array(file.data)
    difference = sums["1"] - sums["0"]
    with mrcfile.open(made.directory / "masks" / "trna.mrc") as file:
        mask = file.data > 0
    assert difference[mask].mean() > 10 * np.abs(difference[~mask]).mean()


def test_models_lie_where_the_maps_have_their_regions(made: SimulatedAssembly) -> None:
    """The density of a region's model is what its states' maps have more, and no other's."""
    states = rows(made.directory / "states.csv")
    has, lacks = (
        next(s["map"] for s in states if s["trna"] == there and s["class"] in ("1", "2"))
        for there in ("1", "0")
    )
    maps = [GridMap.read(made.directory / "maps" / name) for name in (has, lacks)]
    difference = maps[0].data - maps[1].data
    correlations = {}
    for name in ("trna", "ef_g"):
        centre = maps[0].box // 2 * maps[0].voxel_size_angstrom
        grid = DensityGrid(maps[0].box, maps[0].voxel_size_angstrom, (centre, centre, centre))
        density = model_density(made.directory / "models" / f"{name}.cif", grid)
        correlations[name] = np.corrcoef(density.ravel(), difference.ravel())[0, 1]
    assert correlations["trna"] > 0.6
    assert abs(correlations["ef_g"]) < 0.2


def test_given_poses_are_off_and_true_ones_are_kept(made: SimulatedAssembly) -> None:
    """Angles by about a degree, shifts by an Å; the contrast is dark."""
    angles = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    shifts = ("rlnOriginXAngst", "rlnOriginYAngst")
    given, true = (made.directory / name for name in ("particles.star", "truth.star"))
    turn = geodesic_degrees(
        *(rotation_from_euler(columns(path, *angles)) for path in (given, true))
    )
    assert 0.8 < np.sqrt(np.mean(turn**2) / 2) < 1.5
    assert (columns(given, *shifts) - columns(true, *shifts)).std() == pytest.approx(1, abs=0.1)
    assert len(ParticleSet.read(given)) == 200


def test_what_the_oracle_says_can_be_evaluated(made: SimulatedAssembly, tmp_path: Path) -> None:
    """The truth of the focus region fits its oracle, particle by particle."""
    truth = made.directory / "truth_focused.star"
    report = evaluate(truth, truth, made.directory / "oracle_focused.npy")
    assert report["kappa"] == 1
    assert 0 < report["oracle_kappa"] < 1


def test_the_same_seed_gives_the_same_set_on_any_number_of_threads(
    made: SimulatedAssembly, tmp_path: Path
) -> None:
    """Every file is the same, byte by byte."""
    again = simulate_assembly(tmp_path / "again", SETTINGS, threads=1)
    for path in (p for p in made.directory.rglob("*") if p.is_file()):
        other = again.directory / path.relative_to(made.directory)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_what_does_not_fit_is_refused(tmp_path: Path, made: SimulatedAssembly) -> None:
    """A box too small for ribosome or sphere, and a directory that is there."""
    with pytest.raises(SettingError, match="pixel_size_angstrom: 32 pixels of 4 Å reach 64 Å"):
        simulate_assembly(tmp_path / "a", AssemblySettings(box=32, pixel_size_angstrom=4.0))
    with pytest.raises(SettingError, match="focus_radius_angstrom"):
        simulate_assembly(tmp_path / "b", AssemblySettings(focus_radius_angstrom=170.0))
    with pytest.raises(OutputError, match="already exists"):
        simulate_assembly(made.directory, SETTINGS)
