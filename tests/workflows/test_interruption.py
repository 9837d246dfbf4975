"""Runs that are stopped, and end as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.errors import Interrupted, SettingError
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from stopping import assert_same, stopping_progress

Ask = Callable[..., ClassifyRequest]


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
    resumed = classify(ask(small_set), run, resume=True)
    assert_same(resumed, finished)
    job = resumed.read_job()
    assert job.n_processes == 1 + (stage != "consensus")
    assert (job.cycles_before > 0) == (stage in ("run 2 of 2", "writing"))
    said = f"resumed: {job.cycles_before} cycles are done; the run has taken "
    assert (said in resumed.log.read_text()) == (stage != "consensus")


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
