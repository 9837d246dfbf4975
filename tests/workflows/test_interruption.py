"""Runs that are stopped, killed or run out of disk, and end as if nothing had happened."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.errors import Interrupted, OutputError, SettingError
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from stopping import stopping_progress

Ask = Callable[..., ClassifyRequest]
RESULTS = (
    *(
        "particles.star",
        "posteriors.npy",
        "agreement.npy",
        "outliers.npy",
        "classes.csv",
        "convergence.csv",
    ),
    *("class001.mrc", "class002.mrc", "class001_half1.mrc", "consensus.mrc", "fsc.star"),
)
KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.machine.progress import SilentProgress

class KillingProgress(SilentProgress):
    @contextmanager
    def task(self, name, n_steps):
        def advance(steps=1, note=""):
            self.steps += 1
            if name == "run 2 of 2" and self.steps > 5:
                os.kill(os.getpid(), signal.SIGKILL)
        self.steps = 0
        yield advance

classify(read_config(Path(sys.argv[1])), sys.argv[2], progress=KillingProgress())
"""


def assert_same(run: RunDirectory, reference: RunDirectory) -> None:
    """Compare everything a run finds, bit for bit, and look for left-overs."""
    for name in RESULTS:
        assert (run.path / name).read_bytes() == (reference.path / name).read_bytes(), name
    assert run.read_job().objective == reference.read_job().objective
    assert {p.name for p in run.path.iterdir()} == {p.name for p in reference.path.iterdir()}


@pytest.mark.parametrize(
    ("stage", "steps"),
    [("consensus", 1), ("run 1 of 2", 1), ("run 2 of 2", 8), ("writing", 1)],
)
def test_stopped_run_resumes_to_the_same_result(
    tmp_path: Path,
    small_set: SimulatedSet,
    finished: RunDirectory,
    ask: Ask,
    stage: str,
    steps: int,
) -> None:
    """Ctrl-C at any stage and --resume give the result of an uninterrupted run, bit for bit."""
    run = tmp_path / "RUN"
    with pytest.raises(Interrupted, match="stopped; run the same command with --resume"):
        classify(ask(small_set), run, progress=stopping_progress(stage, steps))
    assert not RunDirectory.open(run).job.exists()
    assert RunDirectory.open(run).checkpoint.exists() == (stage != "consensus")
    assert_same(classify(ask(small_set), run, resume=True), finished)


def test_killed_run_resumes_to_the_same_result(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory, ask: Ask
) -> None:
    """So does a run killed without warning."""
    config, run = tmp_path / "config.yaml", tmp_path / "RUN"
    config.write_text(ask(small_set).to_yaml())
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(config), str(run)], capture_output=True, check=False
    )
    assert process.returncode == -9, process.stderr.decode()
    assert RunDirectory.open(run).checkpoint.exists()
    assert_same(classify(ask(small_set), run, resume=True), finished)


def test_resuming_with_other_settings_is_refused(
    tmp_path: Path, small_set: SimulatedSet, ask: Ask
) -> None:
    """Another seed is refused by a message that names both, and config.yaml keeps the old one."""
    run = tmp_path / "RUN"
    with pytest.raises(Interrupted):
        classify(ask(small_set), run, progress=stopping_progress("run 1 of 2", 1))
    config = (run / "config.yaml").read_text()
    with pytest.raises(SettingError, match="seed was 1, now 2"):
        classify(ask(small_set, settings={"seed": 2}), run, resume=True)
    assert (run / "config.yaml").read_text() == config


@pytest.mark.parametrize("n_writes", [3, 12])
def test_full_disk_leaves_a_run_that_can_be_resumed(
    tmp_path: Path,
    small_set: SimulatedSet,
    finished: RunDirectory,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    n_writes: int,
) -> None:
    """When the disk fills up, one message says so, no half file stays, and --resume finishes."""
    run, real, left = tmp_path / "RUN", os.fsync, n_writes * 2

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OutputError, match="disk full while writing; nothing was overwritten"):
            classify(ask(small_set), run)
    assert not RunDirectory.open(run).job.exists()
    assert not [path for path in run.iterdir() if path.name.endswith(".partial")]
    assert_same(classify(ask(small_set), run, resume=True), finished)
