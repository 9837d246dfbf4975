"""Classification through a real SLURM controller and daemon, where they are installed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cryofocus.errors import ClusterError
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import open_machine
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest
from one_node_slurm import missing_slurm, run_slurm

from .test_cluster import Accident, require_same

pytest.importorskip("dask_jobqueue")
needs_slurm = pytest.mark.skipif(missing_slurm() is not None, reason=str(missing_slurm()))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A SLURM of one node, and a file that asks it for two workers."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    settings = {
        "workers": 2,
        "cores": 1,
        "memory": "1500MB",
        "walltime": "00:05:00",
        "queue": "all",
        "interface": "lo",
        "log_directory": str(folder / "jobs"),
        "local_directory": str(folder / "scratch"),
        "wait_minutes": 1,
    }
    (folder / "slurm.yaml").write_text(yaml.safe_dump(settings))
    with run_slurm(folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield folder / "slurm.yaml"


def cancel_a_job() -> None:
    """Take one worker away, as SLURM does at the end of its time."""
    jobs = subprocess.run(
        ["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(jobs) == 2
    subprocess.run(["scancel", jobs[0]], check=True)


@needs_slurm
@pytest.mark.slow
def test_classification_in_jobs(
    slurm: Path,
    small_set: SimulatedSet,
    ask: MakeRequest,
    finished: RunDirectory,
    tmp_path: Path,
) -> None:
    """Two jobs, one of which is cancelled on the way, give the result of one process."""
    accident = Accident("run 1 of 2", 3, cancel_a_job)
    request = ask(small_set, cluster=str(slurm), threads=None)
    run = classify(request, tmp_path / "RUN", progress=accident)
    require_same(run, finished)
    assert "computing on 2 workers of tls://127.0.0.1:" in run.log.read_text()


@needs_slurm
def test_a_job_that_slurm_refuses(slurm: Path) -> None:
    """A partition that does not exist is SLURM's own message, at once."""
    settings = yaml.safe_load(slurm.read_text())
    slurm.write_text(yaml.safe_dump({**settings, "queue": "nonsense"}))
    with (
        pytest.raises(
            ClusterError, match=r"SLURM refuses the job \(.*invalid partition"
        ) as raised,
        open_machine(Machine(cluster=str(slurm))),
    ):
        pass
    assert str(raised.value).endswith("correct the file.")


def test_where_there_is_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that cannot submit jobs the user is told to go where they can be."""
    file = tmp_path / "slurm.yaml"
    file.write_text("workers: 1\ncores: 1\nmemory: 1GB\ninterface: lo\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ClusterError, match=r"sbatch was not found\. Start this on a machine from"),
        open_machine(Machine(cluster=str(file))),
    ):
        pass


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "interface: none7",
            r"cluster: the scheduler of the jobs cannot start \(.*'none7' is not a valid network "
            r"interface.*\)\. Correct interface in the file about SLURM, or leave it out\.",
        ),
        (
            "interface: lo\nlog_directory: /proc/jobs",
            r"/proc/jobs: cannot be made \(No such file or directory\)\. Correct log_directory in "
            r"the file about SLURM\.",
        ),
    ],
)
def test_a_file_that_does_not_fit_the_machine(tmp_path: Path, line: str, message: str) -> None:
    """A network or folder that is not there is one message, before SLURM is asked."""
    file = tmp_path / "slurm.yaml"
    file.write_text(f"workers: 1\ncores: 1\nmemory: 1GB\n{line}\n")
    with (
        pytest.raises(ClusterError, match=f"^{message}$"),
        open_machine(Machine(cluster=str(file))),
    ):
        pass
