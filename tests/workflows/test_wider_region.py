"""Where a region that was found cuts what differs, a wider one is taken, whatever happens.

Classifications are played here: what each region finds is written down beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import Interrupted, RegionError
from cryofocus.workflows import found_region, wider_region
from cryofocus.workflows.classify.groundwork import Groundwork
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.classify.run import _by_search
from cryofocus.workflows.run.claims import names_claimed
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, JobRecord, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from cryofocus.workflows.variance.result import (
    REGIONS,
    ProposedFocus,
    RegionRow,
    VarianceResult,
)
from cryofocus.workflows.wider_region import MOST_REGIONS, classify_where_it_varies
from make_request import MakeRequest

SPHERE = (200.0, 200.0, 200.0, 40.0)
BOX, VOXEL = 8, 17.5


class Killed(BaseException):
    """Ends a process for which no error is written down."""


@dataclass
class Play:
    """What happens in a run: the volume of each region, and of what differs in it.

    Attributes:
        volumes: In voxels, of the sphere and of every mask after it.
        stop: Number of the step at which the run is killed, from 1.
        refused: Number of the region that cannot be classified.
    """

    job: JobRecord
    volumes: tuple[int, ...]
    stop: int = 0
    refused: int = 0
    steps: int = 0
    searches: int = 0
    seconds: list[float] = field(default_factory=list)

    def step(self) -> None:
        """Go on, or be killed."""
        self.steps += 1
        if self.steps == self.stop:
            raise Killed

    def search(self, particles: object, output: Path, settings: object, **words: Any) -> Any:
        """Find the sphere."""
        del particles, settings
        self.searches += 1
        self.step()
        sphere = SimpleNamespace(centre_angstrom=SPHERE[:3], radius_angstrom=SPHERE[3])
        found = _only(VarianceResult, proposals=(_only(ProposedFocus, mask=sphere),))
        output.parent.mkdir(exist_ok=True)
        words["finish"](found)
        output.mkdir(exist_ok=True)
        names = ("x_angstrom", "y_angstrom", "z_angstrom", "radius_angstrom")
        row = RegionRow(
            region=1,
            **dict(zip(names, SPHERE, strict=True)),
            variance_share=0.4,
            axes=2,
            states=3,
            states_lowest=3,
            states_highest=3,
            states_text="3",
            mask="masks/region_1.mrc",
            command="cryofocus classify",
        )
        RegionRow.write(output / REGIONS, [row])
        return found

    def classify(self, request: ClassifyRequest, output: Path, **words: Any) -> RunDirectory:
        """Write what is found in a region, as `classify` does."""
        run = RunDirectory.create(output, overwrite=words["overwrite"], resume=words["resume"])
        if run.job.is_file() and words["resume"]:
            return run
        number = 1 if request.mask is None else 1 + int(request.mask.parent.name)
        by_search = words["groundwork"].was_searched
        with run.replacing(overwrite=words["overwrite"], by_search=by_search):
            self.step()
            run.config.write_text(request.to_yaml())
            if number == self.refused:
                raise RegionError("nothing in it")
            self.step()
            run.checkpoint.write_bytes(b"a state")
            self.step()
            self._write(run, number, words["groundwork"])
        return run

    def _write(self, run: RunDirectory, number: int, groundwork: Groundwork) -> None:
        own, *wider = self.volumes[number - 1 :]
        findings = groundwork.findings
        write_volume(run.focus_mask, _block(own), VOXEL)
        if wider:
            write_volume(run.proposed_region, _block(wider[0]), VOXEL)
            cut = Finding(
                code=FindingCode.REGION_CUTS,
                severity=Severity.WARNING,
                text="It cuts.",
                figures={"outside_share": number / 10},
            )
            findings = (cut, *findings)
        for file in (run.classes, run.log):
            file.write_text(f"of region {number}")
        self.seconds.append(sum(groundwork.clock.seconds.values()))
        self.step()
        run.write_job(self.job.model_copy(update={"findings": findings}))
        run.checkpoint.unlink()


def _only(kind: type[Any], **fields: object) -> Any:
    """Make an object of which only these fields are asked for."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _block(n_voxels: int) -> np.ndarray:
    data = np.zeros(BOX**3, np.float32)
    data[:n_voxels] = 1
    return data.reshape(BOX, BOX, BOX)


Classify = Callable[..., tuple[RunDirectory, Play]]


@pytest.fixture
def play(
    finished: RunDirectory,
    small_set: SimulatedSet,
    ask: MakeRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Classify:
    """Give a function that classifies where it varies, in a play."""

    def classify(output: Path = tmp_path / "RUN", **said: Any) -> tuple[RunDirectory, Play]:
        words = {"overwrite": False, "resume": False}
        words |= {name: said.pop(name) for name in words.keys() & said.keys()}
        one = Play(finished.read_job(), **said)
        monkeypatch.setattr(found_region, "variance", one.search)
        monkeypatch.setattr(wider_region, "classify", one.classify)
        request = ask(small_set, focus="auto")
        run = classify_where_it_varies(
            request, output, command="", progress=None, finish=lambda _: None, **words
        )
        return run, one

    return classify


def _contents(run: RunDirectory) -> dict[str, bytes]:
    """What a run holds, but for the paths, which say where it is."""
    files = (path for path in run.path.rglob("*") if path.is_file())
    place = str(run.path).encode()
    return {
        str(path.relative_to(run.path)): path.read_bytes().replace(place, b"RUN") for path in files
    }


def test_a_region_that_holds_all_is_the_last(play: Classify) -> None:
    """The wider region is classified once; its findings tell of the one before, and are kept."""
    with names_claimed():  # as every command does
        run, one = play(volumes=(50, 60))
    config = read_config(run.config)
    assert config.focus is None
    assert config.mask == run.regions / "1" / "proposed_region.mrc"
    assert read_volume(config.mask).data.sum() == 60
    assert run.classes.read_text() == "of region 2"
    assert (run.regions / "1" / "classes.csv").read_text() == "of region 1"
    assert not list((run.regions / "1").glob("class0*")), "maps were kept"
    (told,) = run.read_job().findings
    assert "200.0,200.0,200.0,40.0 holds 40 %" in told.text
    assert "cuts what differs (10 % of it lies outside; 2 classes there)" in told.text
    assert str(config.mask) in told.text
    assert one.seconds[1] >= one.seconds[0] > 0


def test_a_mask_that_a_search_left_stays_for_a_run_that_needs_it(
    play: Classify, small_set: SimulatedSet, ask: MakeRequest
) -> None:
    """A run repeated from its own configuration reads it; one with a sphere leaves nothing."""
    run, _ = play(volumes=(50, 60))
    assert _by_search(read_config(run.config), run, Groundwork())
    assert not _by_search(ask(small_set), run, Groundwork())


@pytest.mark.parametrize(
    ("volumes", "n_regions"),
    [
        pytest.param((50,), 1, id="holds all"),
        pytest.param((50, 60, 70), 3, id="holds all in the end"),
        pytest.param((50, 60, 70, 80, 90), MOST_REGIONS, id="cuts for ever"),
        pytest.param((50, 40, 30), 2, id="does not grow"),
    ],
)
def test_it_ends(play: Classify, volumes: tuple[int, ...], n_regions: int) -> None:
    """Regions are tried while they grow, a bounded number of times."""
    run, one = play(volumes=volumes)
    assert run.classes.read_text() == f"of region {n_regions}"
    assert run.regions.is_dir() == (n_regions > 1)
    assert len(one.seconds) == n_regions
    told = run.read_job().findings[-1].text
    assert told.count("classified again") == n_regions - 1
    cuts = [f for f in run.read_job().findings if f.code is FindingCode.REGION_CUTS]
    assert len(cuts) == (len(volumes) > n_regions), "a cut that is left is said"


def test_killed_anywhere(play: Classify, tmp_path: Path) -> None:
    """A run that is resumed ends as one that nothing disturbed, and searches once if it can."""
    volumes = (50, 60, 70)
    undisturbed, one = play(tmp_path / "undisturbed", volumes=volumes)
    wanted = _contents(undisturbed)
    for stop in range(1, one.steps + 1):
        output = tmp_path / f"killed_{stop}"
        with pytest.raises(Killed):
            play(output, volumes=volumes, stop=stop)
        run, again = play(output, volumes=volumes, resume=True)
        assert _contents(run) == wanted, f"killed at step {stop}"
        assert again.searches == (stop <= 2)


def test_a_wider_region_that_is_refused(play: Classify, caplog: pytest.LogCaptureFixture) -> None:
    """The run in the narrower one stays, which says that it cuts."""
    run, _ = play(volumes=(50, 60), refused=2)
    assert run.classes.read_text() == "of region 1"
    assert run.read_job().findings[0].code is FindingCode.REGION_CUTS
    assert "the wider region cannot be classified: nothing in it" in caplog.text
    with pytest.raises(RegionError, match="nothing in it"):
        play(run.path, volumes=(50, 60), refused=1, overwrite=True)
    assert run.classes.read_text() == "of region 1"


def test_stopped_in_a_wider_region(play: Classify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C says that `--resume` goes on, also where the narrower region's result is back."""
    step = Play.step

    def interrupt(one: Play) -> None:
        step(one)
        if one.steps == 6:
            raise Interrupted("Start again with --overwrite.")

    monkeypatch.setattr(Play, "step", interrupt)
    with pytest.raises(Interrupted, match="the same command with --resume"):
        play(volumes=(50, 60))


def test_former_regions_go(play: Classify) -> None:
    """A run that replaces another one leaves none of its regions behind."""
    before, _ = play(volumes=(50, 60, 70))
    assert sorted(folder.name for folder in before.regions.iterdir()) == ["1", "2"]
    run, _ = play(volumes=(50, 60), overwrite=True)
    assert [folder.name for folder in run.regions.iterdir()] == ["1"]
    run, _ = play(volumes=(50,), overwrite=True)
    assert not run.regions.exists()
