"""Images that change under a run are noticed, and the result is kept."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.convert import ConvertSettings, convert
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.reconstruct import reconstruct
from cryofocus.workflows.run.job import FindingCode, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest
from stopping import Accident

Job = Callable[[Path, Progress], object]


@pytest.fixture
def folder(tmp_path: Path, small_set: SimulatedSet) -> Path:
    """A copy of a small set, to change."""
    for name in ("particles.star", "particles.mrcs"):
        shutil.copy(small_set.directory / name, tmp_path)
    return tmp_path


def change_an_image(folder: Path) -> None:
    """Let another program write to the stack and put its time back."""
    stack = folder / "particles.mrcs"
    when = stack.stat()
    with stack.open("r+b") as handle:
        handle.seek(when.st_size // 2 + 1)
        handle.write(b"\1")
    os.utime(stack, ns=(when.st_atime_ns, when.st_mtime_ns))


def test_a_run_says_that_its_images_changed(
    folder: Path, small_set: SimulatedSet, ask: MakeRequest
) -> None:
    """The finished run has a warning among its findings and in its log."""
    accident = Accident("run 1 of 1", 1, lambda: change_an_image(folder))
    request = ask(small_set, particles=folder / "particles.star", settings={"n_runs": 1})
    run = classify(request, folder / "RUN", progress=accident)
    job = run.read_job()
    (found,) = [one for one in job.findings if one.code is FindingCode.IMAGES_CHANGED]
    assert found.severity is Severity.WARNING
    assert f"{folder / 'particles.mrcs'} has other content" in found.text
    assert found.text in run.log.read_text()


COMMANDS: dict[str, tuple[str, Job]] = {
    "reconstruct": (
        "reconstruction",
        lambda folder, progress: reconstruct(
            folder / "particles.star", folder / "m.mrc", progress=progress
        ),
    ),
    "align refine": (
        "poses",
        lambda folder, progress: align_refine(
            folder / "particles.star",
            folder / "out.star",
            AlignRefineSettings(iterations=1),
            progress=progress,
        ),
    ),
    "convert": (
        "images",
        lambda folder, progress: convert(
            folder / "particles.star",
            folder / "out.star",
            ConvertSettings(write_stack=folder / "out.mrcs"),
            progress=progress,
        ),
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_warn_of_changed_images(
    folder: Path, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """Commands without a run directory write their result and warn."""
    stage, job = COMMANDS[command]
    with caplog.at_level(logging.WARNING, logger="cryofocus"):
        job(folder, Accident(stage, 1, lambda: change_an_image(folder)))
    assert "Images changed while they were being used" in caplog.text
    assert list(folder.glob("out.star")) or list(folder.glob("m.mrc"))
