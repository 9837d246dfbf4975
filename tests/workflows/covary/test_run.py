"""Structural covariance from runs and from particles, and what is refused."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.reach import Reach
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError, OutputError, SettingError
from cryofocus.inference.factors import model
from cryofocus.inference.factors.problem import FactorProblem, state_factor_problem
from cryofocus.report.analyses.covary import write_covary_report
from cryofocus.report.drawing.section import plotly_script
from cryofocus.workflows.covary import coupling, particle_level
from cryofocus.workflows.covary.inputs import CovarySettings, name_masks, read_conditions
from cryofocus.workflows.covary.run import CovaryResult, covary
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet

NAMES = ("near_hand", "near_foot", "far_foot")


@pytest.fixture(scope="module", autouse=True)
def few_cycles() -> Iterator[None]:
    """Fit so well as these clear sets need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "MAX_CYCLES", 8)
        patch.setattr(model, "DRAW_STEPS", 30)
        yield


@pytest.fixture(scope="module")
def coupled(simulate: Callable[..., SimulatedSet]) -> SimulatedSet:
    """Feet that come with the hands of their side; box 32 so that they are resolved."""
    return simulate(scenario=3, particles=500, snr=2.0, box=32, pixel_size_angstrom=13.1)


def masks(simulated: SimulatedSet, names: tuple[str, ...] = NAMES) -> dict[str, Path]:
    """The masks that a simulated set brings."""
    return {name: simulated.directory / "masks" / f"{name}.mrc" for name in names}


def read_table(path: Path) -> list[list[str]]:
    """All cells of a CSV file."""
    return list(csv.reader(path.read_text().splitlines()))


@pytest.fixture(scope="module")
def from_particles(
    tmp_path_factory: pytest.TempPathFactory, coupled: SimulatedSet
) -> CovaryResult:
    """The hand-foot coupling, without any classification."""
    table, given = coupled.directory / "particles.star", CovarySettings(given=("far_foot",))
    return covary([table], masks(coupled), tmp_path_factory.mktemp("covary") / "DIR", given)


@pytest.fixture(scope="module")
def from_run(
    tmp_path_factory: pytest.TempPathFactory, small_set: SimulatedSet, finished: RunDirectory
) -> CovaryResult:
    """A single run on a set whose parts are all there."""
    given, folder = CovarySettings(given=("near_foot=present",)), tmp_path_factory.mktemp("covary")
    return covary([finished.path], masks(small_set), folder / "DIR", given)


def test_coupling_is_found_without_classes(from_particles: CovaryResult) -> None:
    """Near hand and near foot vary together; the far foot varies by itself."""
    level = from_particles.record.particle_level
    assert level is not None
    assert level.varies == (True, True, True)
    hand_foot, far = level.correlation[0][1], level.correlation[0][2]
    assert hand_foot is not None
    assert far is not None
    assert hand_foot > 0.8
    assert abs(far) < 0.2
    assert (level.p_values[0][1] or 1) < 0.001 < (level.p_values[0][2] or 0)
    assert from_particles.record.class_level is None


def matched(_: Consensus, match: ImageMatch | None, *others: object) -> list[Finding]:
    """How many images were matched, as if that were a finding."""
    assert len(others) == 3
    text = f"matched {0 if match is None else len(match)}"
    return [Finding(code=FindingCode.GROUPS_MISFIT, severity=Severity.WARNING, text=text)]


def test_maps_that_end_before_nyquist(
    tmp_path: Path, coupled: SimulatedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the consensus is made on a coarser grid, the coupling is the same.

    All images have been matched with it, so that what they say of their table is said, as is what
    makes a pair doubtful.
    """
    boxes = []

    def note(ground: Ground, *others: Any) -> FactorProblem:
        boxes.append(ground.consensus.images.particles.box)
        return state_factor_problem(ground, *others)

    monkeypatch.setattr(particle_level, "state_factor_problem", note)
    monkeypatch.setattr(particle_level, "judge_table", matched)
    monkeypatch.setattr(coupling, "is_doubtful", lambda _: True)
    monkeypatch.setattr(particle_level, "Reach", lambda **_: Reach(60.0))
    settings = CovarySettings(max_resolution_angstrom=60.0)
    made = covary(
        [coupled.directory / "particles.star"], masks(coupled), tmp_path / "DIR", settings
    )
    level = made.record.particle_level
    assert level is not None
    assert boxes[0] < 32
    assert "matched 500" in made.record.warnings
    assert any("near_hand and near_foot" in warning for warning in made.record.warnings)
    assert (level.correlation[0][1] or 0) > 0.8
    assert abs(level.correlation[0][2] or 0) < 0.2


def test_files_of_particles(from_particles: CovaryResult) -> None:
    """Square tables have the names as header and first column; class tables are not there."""
    folder = from_particles.directory
    for name in ("particle_correlation.csv", "pvalues.csv", "null_correlation.csv"):
        rows = read_table(folder / name)
        assert rows[0] == ["", *NAMES]
        assert [row[0] for row in rows[1:]] == list(NAMES)
    assert not (folder / "correlation.csv").exists()
    occupancies = np.load(folder / "occupancies.npy")
    assert occupancies.shape == np.load(folder / "occupancy_errors.npy").shape == (500, 3)
    assert occupancies.dtype == np.float32


def test_regions_given_another(from_particles: CovaryResult) -> None:
    """Among particles with the far foot, hand and foot of the near side still come together."""
    folder, level = from_particles.directory, from_particles.record.particle_level
    assert level is not None
    assert [(one.region, one.state) for one in level.conditional] == [
        ("far_foot", "present"),
        ("far_foot", "absent"),
    ]
    for one in level.conditional:
        assert one.others == ("near_hand", "near_foot")
        assert 0.3 < one.share < 0.7
        assert (one.correlation[0][1] or 0) > 0.7
    rows = read_table(folder / "conditional.csv")
    assert rows[0] == ["given", "state", "first", "second", "quantity", "value", "low", "high"]
    assert len(rows) == 1 + 2 * (1 + 2 + 2)
    assert rows[1][:5] == ["far_foot", "present", "", "", "share"]
    assert rows[5][:5] == ["far_foot", "present", "near_hand", "near_foot", "correlation"]
    text = write_covary_report(folder).read_text(encoding="utf-8")
    assert "far_foot absent: about" in text


def test_what_is_given_is_read() -> None:
    """A region alone means both conditions, each once; a name may hold the sign."""
    names = ["hand", "a=b"]
    found = read_conditions(["hand", "hand=absent", "a=b", "a=b=present"], names)
    assert [(one.region, one.state) for one in found] == [
        (0, "present"),
        (0, "absent"),
        (1, "present"),
        (1, "absent"),
    ]
    for text in ("foot", "hand=there", "=present", ""):
        with pytest.raises(SettingError, match=re.escape(f"given: found {text!r}, expected")):
            read_conditions([text], names)


def test_nothing_is_said_given_a_constant_region(from_run: CovaryResult) -> None:
    """A region that is always there is no condition: one warning, and no table."""
    level, warnings = from_run.record.particle_level, from_run.record.warnings
    assert level is not None
    assert level.conditional == ()
    assert not (from_run.directory / "conditional.csv").exists()
    assert any("given near_foot: particles that have it" in one for one in warnings)


def test_constant_regions_of_a_run_are_undetermined(from_run: CovaryResult) -> None:
    """Where no foot varies there is a word instead of a number, and one run is warned of."""
    folder = from_run.directory
    rows = read_table(folder / "particle_correlation.csv")
    assert rows[2][3] == rows[3][2] == "undetermined"
    masses = read_table(folder / "occupancy.csv")
    assert masses[0][:4] == ["run", "class", "region", "mass"]
    assert len(masses) == 1 + 2 * len(NAMES)
    assert [row[0] for row in read_table(folder / "correlation.csv")[1:]] == list(NAMES)
    assert any("one run of classify" in warning for warning in from_run.record.warnings)


def test_the_grey_scale_of_the_perfect_map_does_not_matter(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory, from_run: CovaryResult
) -> None:
    """The consensus on another scale and baseline is as good a measure as the consensus."""
    consensus = read_volume(finished.consensus)
    perfect = np.asarray(0.2 * consensus.data + 3, np.float32)
    write_volume(tmp_path / "perfect.mrc", perfect, consensus.voxel_size_angstrom)
    settings = CovarySettings(perfect=tmp_path / "perfect.mrc")
    made = covary([finished.path], masks(small_set), tmp_path / "DIR", settings)
    found, plain = made.record.class_level, from_run.record.class_level
    assert found is not None
    assert plain is not None
    np.testing.assert_allclose(found.masses, plain.masses, atol=0.01)


def test_page_opens_without_a_network(from_run: CovaryResult) -> None:
    """The page names the regions, escapes them, and loads nothing."""
    page = write_covary_report(from_run.directory)
    text = page.read_text(encoding="utf-8").replace(plotly_script(), "")
    assert all(name in text for name in NAMES)
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_runs_that_share_no_particles(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory
) -> None:
    """Runs on different images are said to be so, and their classes count one by one."""
    other = tmp_path / "OTHER"
    shutil.copytree(finished.path, other)
    table = (small_set.directory / "particles.star").read_text()
    swapped = table.replace("000001@", "999999@").replace("000002@", "000001@")
    moved = small_set.directory / "moved.star"
    moved.write_text(swapped.replace("999999@", "000002@"))
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("particles.star", "moved.star"))
    made = covary([finished.path, other], masks(small_set), tmp_path / "DIR")
    assert made.record.class_level is not None
    assert made.record.class_level.n_states == 4
    warnings = " ".join(made.record.warnings)
    assert "do not share their particles" in warnings
    assert "near-copies" not in warnings


def test_a_copy_of_a_run_counts_once(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory, from_run: CovaryResult
) -> None:
    """The same run under another name is shown, said to be a copy, and adds nothing."""
    other = tmp_path / "OTHER"
    shutil.copytree(finished.path, other)
    made = covary([finished.path, other], masks(small_set), tmp_path / "DIR")
    found, plain = made.record.class_level, from_run.record.class_level
    assert found is not None
    assert plain is not None
    assert found.counts == (True, False)
    assert found.n_points == plain.n_points
    assert len(found.masses) == 2 * len(plain.masses)
    assert (found.correlation, found.low) == (plain.correlation, plain.low)
    (warning,) = (one for one in made.record.warnings if "near-copies" in one)
    assert f"{finished.path} and {other} had the same start and the same seed (" in warning
    assert any("one run of classify" in one for one in made.record.warnings)
    page = write_covary_report(made.directory).read_text(encoding="utf-8")
    assert f"{other}: shown, but not counted" in page


def test_particles_that_are_gone(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory
) -> None:
    """Without its particles a run still has its maps, and the warning says what is missing."""
    other = tmp_path / "OTHER"
    shutil.copytree(finished.path, other)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("particles.star", "lost.star"))
    made = covary([other], masks(small_set), tmp_path / "DIR")
    assert made.record.particle_level is None
    assert made.record.class_level is not None
    assert any("only its maps are used" in warning for warning in made.record.warnings)


@pytest.fixture
def bad_masks(tmp_path: Path, small_set: SimulatedSet) -> dict[str, dict[str, Path]]:
    """Regions that cannot be used, by what is wrong with them."""
    good = masks(small_set)
    mask = read_volume(good["near_foot"])
    corner = np.zeros_like(mask.data)
    corner[:2, :2, :2] = 1
    for name, data in {
        "empty": 0 * mask.data,
        "small": mask.data[:20, :20, :20],
        "corner": corner,
    }.items():
        write_volume(tmp_path / f"{name}.mrc", data, mask.voxel_size_angstrom)
    foot = {"foot": good["near_foot"]}
    return {
        "single": foot,
        "same": {**foot, "again": good["near_foot"]},
        **{name: {**foot, name: tmp_path / f"{name}.mrc"} for name in ("empty", "small")},
        "outside": {**foot, "corner": tmp_path / "corner.mrc"},
        "missing": {**foot, "lost": tmp_path / "lost.mrc"},
    }


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("single", "regions: found 1, expected at least two"),
        ("same", "regions foot and again: overlap entirely (100% of the smaller one)"),
        ("empty", "empty (largest value 0); expected a region that reaches 1"),
        ("small", "a mask of 20 x 20 x 20 voxels, but the particles have 24 x 24 pixels"),
        ("outside", "region corner: no voxel reaches the contour in any map"),
        ("missing", "lost.mrc: cannot be read"),
    ],
)
def test_unusable_regions(
    tmp_path: Path,
    finished: RunDirectory,
    bad_masks: dict[str, dict[str, Path]],
    kind: str,
    message: str,
) -> None:
    """Each kind of bad region gives its message, and nothing is written."""
    with pytest.raises(CryofocusError, match=re.escape(message)):
        covary([finished.path], bad_masks[kind], tmp_path / "DIR")
    assert not (tmp_path / "DIR").exists()


def test_unusable_sources(tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory) -> None:
    """Tables mixed with runs, a run given twice, no source and class options are refused."""
    table, regions = small_set.directory / "particles.star", masks(small_set)
    contour = CovarySettings(contour=1.0)
    for sources, settings, message in (
        ([finished.path, table], None, "run directories and particle tables together"),
        ([finished.path, finished.path], None, "one is given twice"),
        ([table, table], None, "found 2 files, expected one particle table"),
        ([], None, "sources: found none"),
        ([table], contour, "contour: means something for class maps only"),
    ):
        with pytest.raises(CryofocusError, match=re.escape(message)):
            covary(sources, regions, tmp_path / "DIR", settings)


@pytest.mark.parametrize(
    "given",
    ["arm.mrc", Path("arm.mrc"), ["arm.mrc", "hand.mrc"], None, 3, {"arm": 3}, {"": "arm.mrc"}],
)
def test_regions_need_names(given: object) -> None:
    """Whatever is no mask with a name is refused with what to give."""
    with pytest.raises(SettingError, match="expected a name and a mask file such as hand=hand"):
        name_masks(given)


def test_regions_are_named_as_on_the_command_line_or_by_a_mapping() -> None:
    """Texts and mappings say the same; a name that is used twice is refused."""
    named = {"arm": Path("a=b.mrc"), "hand": Path("hand.mrc")}
    assert name_masks(["arm=a=b.mrc", " hand=hand.mrc"]) == name_masks(named) == named
    assert name_masks("hand=hand.mrc") == {"hand": Path("hand.mrc")}
    with pytest.raises(SettingError, match="the name arm is given twice"):
        name_masks(["arm=a.mrc", "arm=b.mrc"])


def test_a_directory_that_is_there_is_kept(
    from_particles: CovaryResult, coupled: SimulatedSet, tmp_path: Path
) -> None:
    """Without --overwrite nothing is replaced, and never what covary did not write."""
    (tmp_path / "mine").mkdir()
    table = coupled.directory / "particles.star"
    with pytest.raises(OutputError, match="already exists"):
        covary([table], masks(coupled), from_particles.directory)
    with pytest.raises(OutputError, match="is not a directory of covary"):
        covary([table], masks(coupled), tmp_path / "mine", overwrite=True)
