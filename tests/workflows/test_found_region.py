"""`--focus auto`: where the particles vary is found, and they are classified there.

The sphere that the search proposes is made too small on purpose, so that it cuts what varies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cryofocus
from cryofocus.api import analyses
from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_volume
from cryofocus.errors import Interrupted, OutputError, ParticleError, RegionError, SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.maps.variance_regions import VariableRegion
from cryofocus.workflows import found_region
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.found_region import find_region
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import JobRecord
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from cryofocus.workflows.variance import focus_proposal
from cryofocus.workflows.variance.inputs import VarianceSettings
from cryofocus.workflows.variance.result import RegionRow, VarianceResult
from cryofocus.workflows.variance.run import variance
from stopping import Accident

WORDS: dict[str, Any] = {"focus": "auto", "classes": 2, "runs": 1, "threads": 1}


SMALLER = 0.55


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    """Search along few axes, stop at the first region, and cut it; pages are drawn elsewhere."""
    changes = {"n_dimensions": 1, "n_spheres": 1}

    def search(
        particles: ParticleSet, output: Path, settings: VarianceSettings, **words: Any
    ) -> VarianceResult:
        return variance(particles, output, settings.model_copy(update=changes), **words)

    def draw_smaller(region: VariableRegion, ground: Ground) -> FocusMask | None:
        radius = SMALLER * region.radius_angstrom
        return draw(replace(region, radius_angstrom=radius), ground)

    draw = focus_proposal._draw_sphere

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(found_region, "variance", search)
        patch.setattr(analyses, "can_plot", lambda: False)
        patch.setattr(focus_proposal, "REGION_DIMENSIONS", 1)
        patch.setattr(focus_proposal, "_draw_sphere", draw_smaller)
        yield


@pytest.fixture(scope="module")
def clear_set(simulate: Callable[..., SimulatedSet]) -> SimulatedSet:
    """One arm up or down, well visible."""
    return simulate(particles=120, snr=4.0, box=20, pixel_size_angstrom=21.0)


@pytest.fixture(scope="module")
def run(
    clear_set: SimulatedSet, tmp_path_factory: pytest.TempPathFactory
) -> cryofocus.Classification:
    """What one command makes of a table whose place nobody knows; tests must not change it."""
    output = tmp_path_factory.mktemp("found") / "RUN"
    return cryofocus.classify(clear_set.directory / "particles.star", output, **WORDS)


def test_classified_where_it_varies(
    run: cryofocus.Classification, clear_set: SimulatedSet
) -> None:
    """The region is the first that `variance` proposes, an arm, and is named with its reason."""
    rows = RegionRow.read(run.path / "variance" / "regions.csv")
    x, y, z, radius = cryofocus.read_config(run.path / "regions" / "1" / "config.yaml").focus
    assert (x, y, z) == (rows[0].x_angstrom, rows[0].y_angstrom, rows[0].z_angstrom)
    truth = np.array([float(number) for number in clear_set.focus_sphere.split(",")])
    # Of two arms at mirrored places, either may vary most.
    middle = 10 * 21.0
    mirrored = np.array([2 * middle - truth[0], *truth[1:3]])
    assert min(np.linalg.norm((x, y, z) - t[:3]) for t in (truth, mirrored)) < radius
    (said,) = [one for one in run.findings if one.code == "region_found"]
    assert f"{100 * rows[0].variance_share:.0f} % of the variance" in said.text
    assert said.text in run.summary()
    page = run.report.read_text(encoding="utf-8")
    assert "The region was found in these particles" in page
    assert "Where particles differ" in page
    assert (run.path / "variance" / "report.html").is_file()


def test_classified_again_where_the_region_cuts(run: cryofocus.Classification) -> None:
    """The result is that of the wider region, which cuts nothing; the time is that of all."""
    config = cryofocus.read_config(run.path / "config.yaml")
    assert (config.focus, config.mask) == (None, run.path / "regions/1/proposed_region.mrc")
    assert np.array_equal(run.focus_mask.data, read_volume(config.mask).data)
    assert "region_cuts" not in {one.code for one in run.findings}
    before = JobRecord.read(run.path / "regions" / "1" / "job.json")
    assert before.verdict.startswith("Found at least 2 classes")
    assert run.job.verdict.startswith("Found 2 classes")
    assert run.job.seconds["region search"] >= sum(before.seconds.values())


def test_resumed_in_the_same_region(
    run: cryofocus.Classification, clear_set: SimulatedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed takes its region from its configuration, and measures nothing anew."""

    def fail(*_: object, **__: object) -> None:
        pytest.fail("measured the variance again")

    monkeypatch.setattr(found_region, "variance", fail)
    table, before = clear_set.directory / "particles.star", run.job
    again = cryofocus.classify(table, run.path, resume=True, **WORDS)
    assert again.job == before
    with pytest.raises(OutputError, match="holds a finished run"):
        cryofocus.classify(table, run.path, **WORDS)


class Stages(Accident):
    """Notes every stage, and presses Ctrl-C in one of them."""

    def __init__(self, stage: str = "") -> None:
        super().__init__(stage, 1, self._press)
        self.names: list[str] = []

    def task(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Note it."""
        self.names.append(name)
        return super().task(name, n_steps, at_most=at_most)

    def _press(self) -> None:
        raise KeyboardInterrupt

    @property
    def searched(self) -> list[str]:
        """Where something that varies was searched for."""
        return [name.removeprefix("variation, ") for name in self.names if "variation" in name]


Search = Callable[..., Stages]


@pytest.fixture
def search(clear_set: SimulatedSet, tmp_path: Path) -> Search:
    """Give a function that searches, and tells in what stages."""
    table = clear_set.directory / "particles.star"

    def find(stop: str = "", **words: Any) -> Stages:
        seed = words.pop("seed", 1)
        request = ClassifyRequest(
            particles=table, focus="auto", threads=1, settings={"n_classes": 2, "seed": seed}
        )
        stages, words = Stages(stop), {"overwrite": False, "resume": False} | words
        output = tmp_path / "RUN"
        find_region(request, output, progress=stages, finish=lambda _: None, **words)
        return stages

    return find


def test_an_interrupted_search_goes_on(
    run: cryofocus.Classification, search: Search, tmp_path: Path
) -> None:
    """It ends in the same region, and what was found is not searched for again."""
    with pytest.raises(Interrupted, match="with --resume to finish it"):
        search("variation, half set 2")
    with pytest.raises(OutputError, match="an unfinished run"):
        search()
    with pytest.raises(SettingError, match="seed was 1, now 2"):
        search(seed=2, resume=True)
    after = search(resume=True)
    assert after.searched == [
        *("half set 2", "all particles"),
        *("half set 1", "half set 2", "all particles"),  # of the region
    ]
    for name in ("regions.csv", "latent.npy", "regions.mrc"):
        found, whole = (folder / "variance" / name for folder in (tmp_path / "RUN", run.path))
        assert found.read_bytes() == whole.read_bytes(), name
    # Killed before the classification had written its configuration.
    assert not search(resume=True).searched


def test_an_interrupted_search_for_a_run_that_is_replaced(search: Search, tmp_path: Path) -> None:
    """The former run is as it was; the search goes on, unless something else is asked for."""
    before = RunDirectory.create(tmp_path / "RUN")
    (before.path / "job.json").write_text("of before")
    with pytest.raises(Interrupted, match="again with --overwrite, goes on"):
        search("variation, half set 2", overwrite=True)
    assert (before.path / "job.json").read_text() == "of before"
    assert search(overwrite=True).searched[0] == "half set 2"
    assert search(overwrite=True, seed=2).searched[0] == "half set 1"


def test_nothing_varies(simulate: Callable[..., SimulatedSet], tmp_path: Path) -> None:
    """That is said, with what to do; no directory is left, and a former run is as it was."""
    nothing = (
        simulate(particles=120, noise_only=True, box=20, pixel_size_angstrom=21.0).directory
        / "particles.star"
    )
    with pytest.raises(RegionError, match="found no region that varies: of 120 particles") as said:
        cryofocus.classify(nothing, tmp_path / "NEW", **WORDS)
    assert "focus" in str(said.value)
    assert not (tmp_path / "NEW").exists()
    before = RunDirectory.create(tmp_path / "RUN")
    (before.path / "run.log").write_text("of before")
    with pytest.raises(RegionError, match="found no region"):
        cryofocus.classify(nothing, before.path, overwrite=True, **WORDS)
    assert (before.path / "run.log").read_text() == "of before"
    assert not (before.path / "variance").exists()


def test_too_few_particles_leave_nothing(
    simulate: Callable[..., SimulatedSet], tmp_path: Path
) -> None:
    """What the search refuses itself leaves the name free."""
    few = simulate(particles=12, snr=4.0, box=20, pixel_size_angstrom=21.0).directory
    with pytest.raises(ParticleError, match="12 particles, too few"):
        cryofocus.classify(few / "particles.star", tmp_path / "NEW", **WORDS)
    assert not (tmp_path / "NEW").exists()


def test_few_particles_have_few_axes(
    monkeypatch: pytest.MonkeyPatch, clear_set: SimulatedSet, tmp_path: Path
) -> None:
    """A set too small for the usual number of axes is searched along fewer; its files are told."""
    table = clear_set.directory / "particles.star"

    def refuse(
        particles: ParticleSet, output: Path, settings: VarianceSettings, **_: object
    ) -> None:
        assert (particles.source.path, output) == (table, tmp_path / "RUN" / "variance")
        assert settings.n_dimensions == 3
        assert settings.datadir == clear_set.directory
        raise RegionError("enough")

    monkeypatch.setattr(found_region, "variance", refuse)
    monkeypatch.setattr(found_region, "PARTICLES_PER_AXIS", 40)
    with pytest.raises(RegionError, match="enough"):
        cryofocus.classify(table, tmp_path / "RUN", datadir=clear_set.directory, **WORDS)


def test_what_auto_excludes() -> None:
    """A frame for a sphere that is yet to be found is refused, and a text that is no sphere."""
    settings = {"n_classes": 2}
    with pytest.raises(SettingError, match="map: says in which frame"):
        ClassifyRequest(particles="a.star", focus="auto", map="a.mrc", settings=settings)
    for wrong in ("automatic", "1,2,3", (1, 2, 3), 7):
        with pytest.raises(SettingError, match=r"four numbers in Å.*or auto") as said:
            ClassifyRequest(particles="a.star", focus=wrong, settings=settings)
        assert str(said.value).startswith("focus: found ")
