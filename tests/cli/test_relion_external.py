"""A job of type External, played by a script that does what RELION does."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryofocus.data.star.document import StarDocument
from cryofocus.workflows import relion_job as relion_job_module
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.relion_job import WatchingProgress

JOB = "External/job002/"
BRIEF = {"classes": "2", "runs": "1", "cycles": "2", "invert": "no"}


class Relion:
    """What RELION does around a job: composes the command, looks for markers and results."""

    def __init__(self, project: Path, invoke: Callable[..., Any]) -> None:
        self.project = project
        self.folder = project / JOB
        self.invoke = invoke

    def run(self, inputs: dict[str, str], parameters: dict[str, str], threads: int = 1) -> Any:
        """Run or continue the job; labels and values are those of the Params tab."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "note.txt").write_text("RELION's own file")
        pairs = {"o": JOB, **inputs, **parameters, "j": str(threads)}
        # RELION hands one line of text to the shell.
        line = " ".join(f"--{label} {value}" for label, value in pairs.items())
        return self.invoke("relion-external", *shlex.split(line))

    def markers(self) -> set[str]:
        """Names of the markers, without what they share."""
        return {p.name.removeprefix("RELION_JOB_") for p in self.folder.glob("RELION_JOB_*")}

    def nodes(self) -> dict[str, tuple[str, str]]:
        """Results as RELION 3.1 (number) and later versions (label) read them."""
        document = StarDocument.read(self.folder / "RELION_OUTPUT_NODES.star")
        texts = document.texts(
            document.block("output_nodes"),
            ["rlnPipeLineNodeName", "rlnPipeLineNodeType", "rlnPipeLineNodeTypeLabel"],
        )
        names, numbers, labels = texts.values()
        return {n: (t, label) for n, t, label in zip(names, numbers, labels, strict=True)}


@pytest.fixture
def relion(
    tmp_path: Path,
    pristine_set: Path,
    cryofocus: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Relion:
    """A project whose particles lie in a job of their own, named from the project's folder."""
    monkeypatch.setattr("cryofocus.report.run.page.write_report", lambda _: None)
    job = tmp_path / "Refine3D" / "job001"
    job.mkdir(parents=True)
    shutil.copy(pristine_set / "particles.mrcs", job)
    text = (pristine_set / "particles.star").read_text()
    (job / "run_data.star").write_text(
        text.replace("@particles.mrcs", "@Refine3D/job001/particles.mrcs")
    )
    monkeypatch.chdir(tmp_path)
    return Relion(tmp_path, cryofocus)


PARTICLES = {"in_parts": "Refine3D/job001/run_data.star"}


def test_a_job_succeeds(relion: Relion, focus: str) -> None:
    """Markers, results by name and type, and RELION's own files beside the run."""
    result = relion.run(PARTICLES, {"focus": focus, **BRIEF})
    assert result.exit_code == 0, result.stderr
    assert relion.markers() == {"EXIT_SUCCESS"}
    nodes = relion.nodes()
    assert nodes == {
        "External/job002/run/particles.star": ("3", "ParticleGroupMetadata.star.relion"),
        "External/job002/run/consensus.mrc": ("6", "DensityMap.mrc.relion.class3d"),
        "External/job002/run/focus_mask.mrc": ("7", "Mask3D.mrc.relion"),
        **{
            f"External/job002/run/class{k:03d}{half}.mrc": kind
            for k in (1, 2)
            for half, kind in (
                ("", ("6", "DensityMap.mrc.relion.class3d")),
                ("_half1", ("10", "DensityMap.mrc.relion.halfmap.class3d")),
            )
        },
        "External/job002/logfile.pdf": ("13", "LogFile.pdf.relion"),
    }
    sheet = (relion.folder / "logfile.pdf").read_bytes()
    assert sheet.startswith(b"%PDF-")
    assert sheet.count(b"/Type /Page ") == 1
    assert all((relion.project / name).is_file() for name in nodes)
    assert (relion.folder / "note.txt").is_file()
    again = relion.run({"in_mask": "External/job002/run/focus_mask.mrc", **PARTICLES}, BRIEF)
    assert (again.exit_code, relion.markers()) == (2, {"EXIT_FAILURE"})
    assert "this run is finished, but focus was (" in again.stderr
    assert "mask was None, now External/job002/run/focus_mask.mrc" in again.stderr


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        ({}, {"classes": "2"}, "missing; choose Input particles on the Input tab"),
        (PARTICLES, {"classes": "2"}, "--focus and --mask: found neither, expected one of them."),
        ({"in_mics": "CtfFind/job001/m.star", **PARTICLES}, {}, "No such option: --in_mics"),
        ({"in_parts": "no.star"}, {"focus": "1,2,3,4", "classes": "2"}, "no.star: cannot be read"),
    ],
    ids=["no particles", "no region", "other input", "no file"],
)
def test_a_job_fails(
    relion: Relion, inputs: dict[str, str], parameters: dict[str, str], message: str
) -> None:
    """Whatever is wrong is said on standard error, and RELION is told that the job failed."""
    result = relion.run(inputs, parameters)
    assert (result.exit_code, relion.markers()) == (2, {"EXIT_FAILURE"})
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_job_is_aborted_and_goes_on(
    relion: Relion, focus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELION's request to stop is obeyed in the middle of the work; Continue! finishes it."""

    class Aborting(SilentProgress):
        """RELION asks to stop while the images are prepared."""

        def task(self, name: str, n_steps: int, **details: Any) -> Any:
            if name.startswith("run 1"):
                (relion.folder / "RELION_JOB_ABORT_NOW").touch()
            return super().task(name, n_steps, **details)

    monkeypatch.setattr(relion_job_module, "LOOK_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("cryofocus.workflows.machine.progress.choose_progress", Aborting)
    result = relion.run(PARTICLES, {"focus": focus, **BRIEF})
    assert (result.exit_code, relion.markers()) == (130, {"EXIT_ABORTED"})
    assert not (relion.folder / "RELION_OUTPUT_NODES.star").exists()
    monkeypatch.setattr("cryofocus.workflows.machine.progress.choose_progress", SilentProgress)
    result = relion.run(PARTICLES, {"focus": focus, **BRIEF})
    assert (result.exit_code, relion.markers()) == (0, {"EXIT_SUCCESS"}), result.stderr
    assert len(relion.nodes()) == 8


def test_the_marker_is_looked_for_once_a_second(tmp_path: Path) -> None:
    """Work of many short steps does not ask the disk at each of them."""
    marker, times = tmp_path / "stop", iter([0.0, 0.0, 0.0, 0.4, 0.8, 1.2, 1.2])
    progress = WatchingProgress(SilentProgress(), marker, clock=lambda: next(times))
    with progress.task("work", 3) as advance:  # looks at 0
        marker.touch()
        advance()
        advance()
        with pytest.raises(KeyboardInterrupt):
            advance()


def test_the_executable(relion: Relion) -> None:
    """The name that RELION is given exists, and starts this command."""
    executable = Path(sys.executable).with_name("cryofocus_relion")
    command = [executable, "--o", JOB, "--in_parts", "no.star", "--classes", "2", "--j", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=relion.project)
    assert ended.returncode == 2
    assert "--focus and --mask: found neither" in ended.stderr
    assert relion.markers() == {"EXIT_FAILURE"}
