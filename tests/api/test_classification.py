"""What `cryofocus.classify` returns says what was found, and is what `open_run` opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import typer

import cryofocus
from cryofocus import Classification, ClassifyRequest, HumanoidSettings
from cryofocus.api import classification
from cryofocus.cli.main import app
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError, Interrupted, SettingError
from cryofocus.simulate.phantom import humanoid
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.run.job import Finding, FindingCode, Severity

SETTINGS = HumanoidSettings(
    particles=160, snr=0.5, first_snr=20.0, box=24, pixel_size_angstrom=17.5, seed=3
)

SPHERE = (279.6, 209.6, 259.6, 60)
# Given by its place, and hidden settings.
NOT_OFFERED = {"particles", "tolerance", "asks_half_sets"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles of a small humanoid; tests must not change them."""
    full = humanoid()
    few = {"centre_angstrom", "sigma_angstrom", "weight", "part"}
    phantom = replace(full, **{name: getattr(full, name)[::10] for name in few})
    folder = tmp_path_factory.mktemp("set") / "set"
    return (
        cryofocus.simulate_humanoid(folder, SETTINGS, phantom=phantom).directory / "particles.star"
    )


class Names(SilentProgress):
    """Keeps what was shown."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Any:
        """Note a name."""
        self.names.append(name)
        return super().task(name, n_steps, at_most=at_most)


@pytest.fixture(scope="module")
def display() -> Names:
    """What the run below shows."""
    return Names()


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory, display: Names) -> Classification:
    """The set in two classes."""
    output = tmp_path_factory.mktemp("run") / "run"
    return cryofocus.classify(
        table, output, focus=SPHERE, classes=2, runs=2, threads=2, progress=display
    )


def test_the_page_is_a_stage_that_is_shown(run: Classification, display: Names) -> None:
    """It takes seconds, after the maps have been written."""
    assert display.names[-2:] == ["writing", "report"]
    assert run.directory.report.is_file()


def test_a_warning_is_said_once(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log says to Python in its own words is no second warning beside the finding."""
    text = "Repeat with --refine-poses 4."
    warning = Finding(code=FindingCode.POSES_OFF, severity=Severity.WARNING, text=text)
    monkeypatch.setattr("cryofocus.workflows.classify.run.judge_poses", lambda _: [warning])
    run = cryofocus.classify(table, tmp_path / "run", focus=SPHERE, classes=2, runs=1)
    assert "Repeat with refine_poses=4." in run.directory.log.read_text(encoding="utf-8")
    assert warning in run.job.findings
    assert run.job.warnings == ()


def test_arrays_have_a_row_per_particle(run: Classification) -> None:
    """Posteriors, labels and agreement follow the table, and labels count from 0."""
    assert run.posteriors.shape == (160, 2)
    np.testing.assert_allclose(run.posteriors.sum(axis=1), 1, atol=1e-6)
    assert set(run.labels) == {0, 1}
    np.testing.assert_array_equal(run.labels, run.posteriors.argmax(axis=1))
    assert run.agreement is not None
    assert run.agreement.shape == (160,)
    assert [entry.n_particles for entry in run.classes] == list(np.bincount(run.labels))


def test_particles_are_those_given(run: Classification, table: Path) -> None:
    """The particle set of a run is the given one, and its images are found."""
    given = cryofocus.ParticleSet.read(table)
    assert len(run.particles) == 160
    np.testing.assert_array_equal(run.particles.rotation, given.rotation)
    images = [cryofocus.ImageReader(p).read(np.arange(3)) for p in (run.particles, given)]
    np.testing.assert_array_equal(*images)


def test_maps_lie_on_the_grid_of_the_particles(run: Classification) -> None:
    """There is a map and a pair of half maps for each class, with their voxel size."""
    for volumes in (run.maps, [run.consensus, run.focus_mask], *run.half_maps):
        assert len(volumes) == 2
        for volume in volumes:
            assert volume.data.shape == (24, 24, 24)
            assert volume.voxel_size_angstrom == pytest.approx(17.5)
    np.testing.assert_array_equal(run.maps[1].data, read_volume(run.path / "class002.mrc").data)


def test_summary_says_what_was_found_and_where(run: Classification) -> None:
    """The summary has the verdict, a line for each class and the files for further processing."""
    text = run.summary()
    assert run.job.verdict in text
    assert "(p-value below 0.000001)" in text
    assert run.job.scatter_over_noise == pytest.approx(1, abs=0.5)
    assert run.job.distance_over_maps == pytest.approx(1, abs=0.3)
    assert f"scatter {run.job.scatter_over_noise:.2f} times as much about their classes" in text
    for number, entry in enumerate(run.classes, start=1):
        assert f"class {number}  {entry.n_particles:>9}" in text
    for file in ("report.html", "class001.mrc", "view.cxc", "particles.star"):
        assert str(run.path / file) in text


def test_pictures_show_every_class(run: Classification) -> None:
    """A row for the consensus and each class; charts of the posteriors."""
    gallery = run.plot_classes()
    words = [text.get_text() for axes in gallery.axes for text in axes.texts]
    named = ["consensus", *(f"class {n + 1}" for n in range(run.job.n_classes))]
    assert [word for word in words if word in named] == named
    assert len(run.plot_posteriors().axes) == (2 if run.agreement is None else 3)


def test_findings_judge_the_result(run: Classification) -> None:
    """What the run says of itself are findings with numbers; two runs agree on so easy a set."""
    agreed = next(finding for finding in run.findings if finding.code == "runs_agree")
    assert agreed.severity == "note"
    assert agreed.text
    assert not any("--" in finding.text for finding in run.findings)
    assert agreed.figures


def test_report_is_written_when_it_is_missing(run: Classification) -> None:
    """`classify` writes the page; asked for it, a run writes it again if it is gone."""
    page = run.path / "report.html"
    assert page.is_file()
    assert cryofocus.write_report(str(run.path)) == page
    page.unlink()
    assert run.report == page
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_finished_run_keeps_its_page_when_resumed(run: Classification, table: Path) -> None:
    """Where nothing is done, the page is not made again either; without one it is."""
    page = run.report
    written = page.stat().st_mtime_ns
    same: dict[str, Any] = {"focus": SPHERE, "classes": 2, "runs": 2, "threads": 2}
    cryofocus.classify(table, run.path, resume=True, **same)
    assert page.stat().st_mtime_ns == written
    page.unlink()
    cryofocus.classify(table, run.path, resume=True, **same)
    assert page.is_file()


def test_open_run_gives_the_same(run: Classification) -> None:
    """A run opened anew equals what `classify` returned, and its text is short."""
    opened = cryofocus.open_run(str(run.path))
    assert opened == run
    assert repr(opened) == f"Classification(path={run.path!r})"
    np.testing.assert_array_equal(opened.posteriors, run.posteriors)


def test_open_run_refuses_what_is_no_run(tmp_path: Path, table: Path) -> None:
    """A missing, foreign or unfinished directory is refused when it is opened."""
    with pytest.raises(FormatError, match="no such directory"):
        cryofocus.open_run(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="not a run of cryofocus"):
        cryofocus.open_run(table.parent)
    unfinished = cryofocus.RunDirectory.create(tmp_path / "begun")
    with pytest.raises(FormatError, match="unfinished"):
        cryofocus.open_run(unfinished.path)


def test_every_option_of_the_command_is_a_word() -> None:
    """`classify` takes every option that the command has, by its name."""
    command = typer.main.get_command(app).commands["classify"]
    options = {parameter.name for parameter in command.get_params(typer.Context(command))}
    own = {"output", "overwrite", "resume", "config", "particles", "help"}
    assert options - own == ClassifyRequest.places().keys() - NOT_OFFERED


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ClassifyRequest]:
    """What would have been classified."""
    requests: list[ClassifyRequest] = []

    def record(request: ClassifyRequest, *_: object, **__: object) -> NoReturn:
        requests.append(request)
        raise Interrupted("enough")

    monkeypatch.setattr(classification, "run_classification", record)
    return requests


def test_words_and_request_say_the_same(
    run: Classification, asked: list[ClassifyRequest], tmp_path: Path
) -> None:
    """Options by name, an equal request and a configuration with changes ask for the same."""
    table, config = Path("a.star"), run.path / "config.yaml"
    settings = cryofocus.ClassifierSettings(n_classes=2, n_runs=2, max_cycles=9)
    machine = {"threads": 2, "memory_gb": 4}
    request = ClassifyRequest(particles=table, focus=SPHERE, settings=settings, machine=machine)
    words: dict[str, Any] = {"cycles": 9, "memory": 4}
    for particles, options in (
        ("a.star", {"focus": SPHERE, "classes": 2, "runs": 2, "threads": 2, **words}),
        (table, {"config": config, **words}),
        (request, {}),
    ):
        with pytest.raises(Interrupted):
            cryofocus.classify(particles, tmp_path / "run", **options)
        assert asked[-1] == request


def test_references_say_how_many_classes_there_are(
    asked: list[ClassifyRequest], tmp_path: Path
) -> None:
    """Without a number of classes there is one for each map to start from."""
    maps = ("a.mrc", "b.mrc", "c.mrc")
    with pytest.raises(Interrupted):
        cryofocus.classify("a.star", tmp_path / "run", focus=SPHERE, references=maps)
    assert asked[0].settings.n_classes == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clases": 2}, "clases: unknown, did you mean classes\\?"),
        ({"focus": SPHERE}, "^classes: missing; give a value"),
        ({"focus": SPHERE, "classes": 1}, "^classes: found 1, expected"),
        ({"classes": 2}, "focus and mask: found neither"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    """What cannot be asked for is refused before anything is read or written."""
    with pytest.raises(SettingError, match=message):
        cryofocus.classify("a.star", tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_request_stands_alone(run: Classification, tmp_path: Path) -> None:
    """Options beside a request are refused rather than ignored."""
    request = cryofocus.read_config(run.path / "config.yaml")
    with pytest.raises(SettingError, match="seed: found beside a request"):
        cryofocus.classify(request, tmp_path / "run", seed=2)
