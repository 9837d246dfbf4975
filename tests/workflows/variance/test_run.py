"""From a particle table to variance maps, focus spheres and coordinates."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.reach import Reach
from cryofocus.data.formats import open_table
from cryofocus.data.grid_map import GridMap
from cryofocus.data.mask import FocusMask
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import FormatError, OutputError, ParticleError, RegionError, SettingError
from cryofocus.inference.variability.states import StatesEstimate
from cryofocus.inference.variability.variability import Variability, explore_region
from cryofocus.maths.filters import lowpass
from cryofocus.report.place.page import PlaceSettings, place_mask
from cryofocus.simulate.phantom import PARTS, Phantom
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.make_mask import VarianceMaskSettings, make_variance_mask
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet, simulate_humanoid
from cryofocus.workflows.variance import focus_proposal
from cryofocus.workflows.variance import run as variance_run
from cryofocus.workflows.variance.inputs import VarianceSettings, read_variance_inputs
from cryofocus.workflows.variance.maps import bootstrap_order
from cryofocus.workflows.variance.regions import Parting, read_region
from cryofocus.workflows.variance.result import ORDER, VarianceResult
from cryofocus.workflows.variance.run import variance

PIXEL = 17.5


@pytest.fixture(scope="module")
def clear_set(simulate: Callable[..., SimulatedSet]) -> SimulatedSet:
    """Two arms up or down, well visible."""
    return simulate(particles=400, snr=4.0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, clear_set: SimulatedSet) -> VarianceResult:
    """The variance of the clear set; tests must not change it."""
    settings = VarianceSettings(n_dimensions=3, n_bootstrap=32, max_resolution_angstrom=60.0)
    output = tmp_path_factory.mktemp("variance") / "V"
    return variance(clear_set.directory / "particles.star", output, settings)


def test_the_arms_are_found(found: VarianceResult, clear_set: SimulatedSet) -> None:
    """Two independent axes, and a sphere within a pixel of the one that holds a moving arm."""
    assert found.n_axes == 2
    assert found.warnings == ()
    said = found.summary().splitlines()
    assert said[0].startswith("Axes         2 confirmed by both half sets, with ")
    assert [line[:8] for line in said[2:4]] == ["Region 1", "Region 2"]
    truth = np.array([float(number) for number in clear_set.focus_sphere.split(",")])
    distances = [
        np.linalg.norm(np.array(proposal.sphere[:3]) - truth[:3]) for proposal in found.proposals
    ]
    assert min(distances) < PIXEL
    assert {proposal.states for proposal in found.proposals[:2]} == {2}


def test_bootstrap_has_the_peaks(found: VarianceResult) -> None:
    """The bootstrap's maxima lie where the variance's do."""
    assert len(found.peaks) >= 2
    assert all((peak.distance_angstrom or 0.0) < 1.5 * PIXEL for peak in found.peaks)


def test_bootstrap_and_variance_have_the_same_order(tmp_path: Path, few_beads: Phantom) -> None:
    """Of two arms, one weaker, both rank the places of the stronger one first."""
    weaker = np.array([name.startswith("far_") for name in PARTS])[few_beads.part]
    unequal = replace(few_beads, weight=np.where(weaker, 0.5, 1.0) * few_beads.weight)
    settings = HumanoidSettings(
        particles=300, snr=4.0, first_snr=20.0, box=24, pixel_size_angstrom=PIXEL, seed=3
    )
    made = simulate_humanoid(tmp_path / "set", settings, phantom=unequal)
    asked = VarianceSettings(n_dimensions=3, n_bootstrap=32, max_resolution_angstrom=60.0)
    peaks = variance(made.directory / "particles.star", tmp_path / "V", asked).peaks
    ranks = bootstrap_order(peaks)
    assert sorted(ranks[:2]) == [1, 2]
    assert all(peak.place_angstrom[0] > 0 for peak in peaks[:2])


def test_files(found: VarianceResult, clear_set: SimulatedSet) -> None:
    """Masks, maps and coordinates lie on the particles' grid and belong to their rows."""
    folder, n = found.folder, 400
    mask = FocusMask.from_file(folder / "masks" / "region_1.mrc", 24, PIXEL)
    assert mask.data.max() == 1
    for name in ("variance.mrc", "bootstrap_variance.mrc", "series/axis2_05.mrc"):
        assert read_volume(folder / name).data.shape == (24, 24, 24)
    latent = np.load(folder / "latent.npy")
    assert latent.shape == np.load(folder / "latent_variance.npy").shape == (n, 3)
    table = (folder / "particles.star").read_text()
    assert "_cryofocusLatent " in table
    assert "_cryofocusLatentVariance " in table
    summary = json.loads((folder / "variance.json").read_text())
    assert summary["axes"] == 2
    regions = (folder / "regions.csv").read_text()
    assert f"classify {clear_set.directory / 'particles.star'} --focus=" in regions


@pytest.mark.parametrize("number", [1, 2])
def test_a_region_is_one_thing(found: VarianceResult, tmp_path: Path, number: int) -> None:
    """Its mask has its voxels, the page its sphere, and the sphere holds the voxels."""
    variance_map = found.folder / "variance.mrc"
    asked = VarianceMaskSettings(region=number)
    made = make_variance_mask(variance_map, tmp_path / "mask.mrc", asked)
    voxels = read_volume(found.folder / "regions.mrc").data == number
    assert (read_volume(made.path).data == 1).sum() == voxels.sum()
    assert (read_volume(made.path).data[voxels] == 1).all()
    sphere = found.proposals[number - 1].sphere
    page = place_mask(
        found.folder / "consensus.mrc", PlaceSettings(variance=variance_map, region=number)
    )
    page.close()
    start = re.search(r'"start": (\[[^]]*\])', page.assets[""].content.decode())
    assert start is not None
    np.testing.assert_allclose(json.loads(start[1]), sphere, atol=1e-3)
    classes = re.search(r'"classes": "(\w+)"', page.assets[""].content.decode())
    assert classes is not None
    assert f"--classes {classes[1]} " in found.proposals[number - 1].command
    places = np.argwhere(voxels)[:, ::-1] * PIXEL
    assert (np.linalg.norm(places - sphere[:3], axis=1) <= sphere[3] + PIXEL).all()


def test_a_region_has_both_places_of_an_arm(found: VarianceResult) -> None:
    """An arm up and down is one region; parted anew by the map alone it is only one of them."""
    grid = GridMap.read(found.folder / "variance.mrc")
    region = read_region(grid, 1)
    alone = read_region(grid, 1, Parting(separation_angstrom=2 * PIXEL))
    assert alone.voxels.sum() < 0.7 * region.voxels.sum()


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, finished: RunDirectory) -> VarianceResult:
    """What varies inside the focus of a run; tests must not change it."""
    output = tmp_path_factory.mktemp("motion") / "V"
    return variance(finished.path, output, VarianceSettings(n_dimensions=2))


def test_a_run_is_looked_into_inside_its_focus(
    inside: VarianceResult, finished: RunDirectory
) -> None:
    """One axis, nothing outside the focus, and along it the classes lie apart."""
    assert inside.n_axes == 1
    focus = read_volume(finished.focus_mask).data
    varies = read_volume(inside.folder / "variance.mrc").data
    assert np.abs(varies[focus == 0]).max() < 0.02 * varies.max()
    labels = finished.read_posteriors(len(inside.latent)).argmax(axis=1)
    assert abs(np.corrcoef(labels, inside.latent[:, 0])[0, 1]) > 0.8
    assert (inside.latent_variance[:, 0] < 1).all()
    table = open_table(inside.folder / "particles.star")
    assert {"rlnClassNumber", "cryofocusLatent", "cryofocusLatentVariance"} <= set(
        re.findall(r"_(\w+) #", table.path.read_text())
    )
    assert all(" --focus=" in proposal.command for proposal in inside.proposals)


def test_a_run_is_looked_into_at_its_own_poses(tmp_path: Path, finished: RunDirectory) -> None:
    """Poses that a run refined are those compared and written."""
    run = RunDirectory(Path(shutil.copytree(finished.path, tmp_path / "run")))
    given = read_variance_inputs(run.path, VarianceSettings(n_dimensions=1))
    rotation, shift = given.particles.rotation, given.particles.shift_angstrom + np.float32(4)
    with run.poses.open("wb") as handle:
        np.savez(handle, rotation=rotation, shift_angstrom=shift)
    moved = read_variance_inputs(run.path, VarianceSettings(n_dimensions=1))
    np.testing.assert_array_equal(moved.particles.shift_angstrom, shift)
    assert {"rlnOriginXAngst", "rlnAngleRot"} <= set(moved.columns)
    with run.poses.open("wb") as handle:
        np.savez(handle, rotation=rotation[:5], shift_angstrom=shift[:5])
    with pytest.raises(FormatError, match="Run the classification again"):
        read_variance_inputs(run.path, VarianceSettings(n_dimensions=1))


def test_a_region_that_was_not_proposed(found: VarianceResult) -> None:
    """A number beyond the proposals is refused with what would propose more."""
    grid = GridMap.read(found.folder / "variance.mrc")
    with pytest.raises(RegionError, match=r"regions proposed, expected at least 9.*--spheres"):
        read_region(grid, 9)


@pytest.mark.parametrize(
    ("states", "text", "asked"),
    [
        (StatesEstimate(3, 2, 4, is_continuous=False), "3 (2 to 4)", "3"),
        (StatesEstimate(1, 1, 1, is_continuous=False), "1", "auto"),
        (StatesEstimate(5, 5, 5, is_continuous=True), "continuous", "auto"),
    ],
)
def test_the_command_asks_for_what_is_said(
    found: VarianceResult, states: StatesEstimate, text: str, asked: str
) -> None:
    """Where no states are told apart, the command does not ask for any number of classes."""
    mask, settings = found.proposals[0].mask, VarianceSettings()
    command = focus_proposal._command(Path("particles.star"), mask, states, 1, settings)
    assert focus_proposal.describe_states(states) == text
    assert f" --classes {asked} " in command


def test_why_a_region_is_the_first(found: VarianceResult) -> None:
    """The order is said wherever regions are listed."""
    shares = [proposal.variance_share for proposal in found.proposals]
    assert shares == sorted(shares, reverse=True)
    assert ORDER in found.summary()


def test_axis_maps_are_the_states(found: VarianceResult) -> None:
    """The ends of a series differ where the variance is, and not elsewhere."""
    first, last = (
        read_volume(found.folder / "series" / f"axis1_{number:02d}.mrc").data for number in (1, 5)
    )
    spread = read_volume(found.folder / "variance.mrc").data
    moved = np.abs(last - first)
    assert moved[spread > 0.2 * spread.max()].mean() > 10 * moved.mean()


def test_noise_has_nothing_to_propose(
    simulate: Callable[..., SimulatedSet], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Images without a particle give no axis, no region, and a sentence that says so."""
    noise = simulate(noise_only=True, particles=120)
    settings = VarianceSettings(n_dimensions=2, max_resolution_angstrom=80.0)
    result = variance(noise.directory / "particles.star", tmp_path / "V", settings)
    assert result.n_axes == 0
    assert result.proposals == ()
    assert "no variation is confirmed by both half sets" in caplog.text
    assert not read_volume(tmp_path / "V" / "variance.mrc").data.any()


def test_bad_settings() -> None:
    """Numbers out of range are refused with what to give instead."""
    with pytest.raises(SettingError, match="bootstrap: found 3 maps, expected 0 or at least 10"):
        VarianceSettings(n_bootstrap=3)
    with pytest.raises(SettingError, match="n_dimensions: found 0, expected greater than"):
        VarianceSettings(n_dimensions=0)
    with pytest.raises(SettingError, match="level: found 2, expected a part of the largest"):
        VarianceSettings(level_fraction=2.0)


def test_bad_input(small_set: SimulatedSet, tmp_path: Path) -> None:
    """Too few particles, a mask of another grid and a taken name are refused; nothing is made."""
    table = small_set.directory / "particles.star"
    with pytest.raises(ParticleError, match="240 particles, too few to find 20 axes"):
        variance(table, tmp_path / "V", VarianceSettings(n_dimensions=20))
    write_volume(tmp_path / "m.mrc", np.ones((20, 20, 20), np.float32), PIXEL)
    with pytest.raises(RegionError, match=r"a mask of 20 x 20 x 20 voxels"):
        variance(table, tmp_path / "V", VarianceSettings(solvent_mask=tmp_path / "m.mrc"))
    assert not (tmp_path / "V").exists()
    (tmp_path / "V").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        variance(table, tmp_path / "V")
    with pytest.raises(OutputError, match=r"holds no variance\.json"):
        variance(table, tmp_path / "V", overwrite=True)


def matched(_: Consensus, match: ImageMatch | None, *others: object) -> list[Finding]:
    """How many images were matched, as if that were a finding."""
    assert len(others) == 3
    text = f"matched {0 if match is None else len(match)}"
    return [Finding(code=FindingCode.GROUPS_MISFIT, severity=Severity.WARNING, text=text)]


def test_maps_that_end_before_nyquist(
    tmp_path: Path, simulate: Callable[..., SimulatedSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the consensus is made on a coarser grid, maps and spheres are on that of the files.

    All images have been matched with it, so that what they say of their table is said.
    """
    fine = simulate(particles=300, snr=4.0, box=32, pixel_size_angstrom=13.1)
    settings = VarianceSettings(n_dimensions=2, n_spheres=1, max_resolution_angstrom=75.0)
    boxes = []

    def note(ground: Ground, *others: Any) -> Variability:
        boxes.append(ground.consensus.images.particles.box)
        return explore_region(ground, *others)

    monkeypatch.setattr(variance_run, "explore_region", note)
    monkeypatch.setattr(variance_run, "Reach", lambda **_: Reach(75.0))
    monkeypatch.setattr(variance_run, "judge_table", matched)
    found = variance(fine.directory / "particles.star", tmp_path / "V", settings)
    assert boxes[0] < 32
    truth = np.mean(
        [read_volume(path).data for path in (fine.directory / "maps").glob("*.mrc")], axis=0
    )
    coarse = [lowpass(one, 13.1, 75.0).ravel() for one in (found.consensus, truth)]
    assert np.corrcoef(coarse)[0, 1] > 0.9
    sphere = np.array([float(number) for number in fine.focus_sphere.split(",")])
    assert found.warnings == ("matched 300",)
    assert json.loads((tmp_path / "V" / "variance.json").read_text())["warnings"] == [
        "matched 300"
    ]
    middle = 16 * 13.1
    # Either arm may come first; the axis of symmetry lies along z.
    mirrored = np.array([2 * middle - sphere[0], 2 * middle - sphere[1], sphere[2]])
    (proposal,) = found.proposals
    away = [np.linalg.norm(proposal.sphere[:3] - one) for one in (sphere[:3], mirrored)]
    assert min(away) < 1.5 * 13.1
