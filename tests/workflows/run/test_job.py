"""job.json: one schema for writer and readers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cryofocus.errors import FormatError
from cryofocus.workflows.machine.hardware import describe_hardware
from cryofocus.workflows.run import job
from cryofocus.workflows.run.directory import RunDirectory


@pytest.fixture
def record() -> job.JobRecord:
    """Give a record filled with NumPy numbers, as a workflow has them."""
    return job.JobRecord(
        version="0.1.0",
        command="cryofocus classify",
        machine=describe_hardware(),
        seed=1,
        started="2026-01-01 10:00:00Z",
        seconds={"read": np.float32(1.5)},
        peak_memory_gb={"read": np.float64(0.25)},
        n_particles=np.int64(10),
        n_classes=2,
        box=np.int32(32),
        pixel_size_angstrom=np.float32(1.25),
        focus=job.FocusRegion(
            kind="sphere", centre_angstrom=np.array([1.0, 2.0, 3.0]), radius_angstrom=4.0
        ),
        strategy="residual",
        runs=[
            job.RunSummary(
                run=1,
                seed=1,
                cycles=3,
                objective=np.float64(-10.5),
                converged=np.bool_(1),
                reason="settled",
            )
        ],
        best_run=1,
        agreement=job.RunAgreement(),
        classes_found=True,
        verdict="Two classes.",
        contrast=job.Contrast(sign=np.int8(-1), how="measured"),
        cycles=3,
        objective=np.array([-20.0, -11.0, -10.5]),
    )


def test_round_trip(tmp_path: Path, record: job.JobRecord) -> None:
    """What is written is read back equal, and the file is plain JSON."""
    directory = RunDirectory.create(tmp_path / "RUN")
    directory.write_job(record)
    assert directory.read_job() == record
    raw = json.loads(directory.job.read_text())
    assert raw["pixel_size_angstrom"] == 1.25
    assert raw["objective"] == [-20.0, -11.0, -10.5]
    assert raw["focus"]["centre_angstrom"] == [1.0, 2.0, 3.0]


def test_older_files_are_read(tmp_path: Path, record: job.JobRecord) -> None:
    """What was called the log-likelihood, whatever it was, is read as the objective."""
    directory = RunDirectory.create(tmp_path / "RUN")
    directory.write_job(record)
    content = json.loads(directory.job.read_text())
    for part in (content, *content["runs"]):
        part["log_likelihood"] = part.pop("objective")
    directory.job.write_text(json.dumps(content))
    assert directory.read_job() == record


def test_newer_fields_are_tolerated(tmp_path: Path, record: job.JobRecord) -> None:
    """A file written by a later version with more in it can still be read."""
    directory = RunDirectory.create(tmp_path / "RUN")
    directory.write_job(record)
    content = json.loads(directory.job.read_text()) | {"novelty": [1, 2]}
    directory.job.write_text(json.dumps(content))
    assert directory.read_job() == record


def test_missing_job_means_unfinished(tmp_path: Path) -> None:
    """Reading an unfinished run says how to finish it."""
    directory = RunDirectory.create(tmp_path / "RUN")
    with pytest.raises(FormatError, match=r"this run is unfinished .* --resume"):
        directory.read_job()


def test_damaged_job_names_the_field(tmp_path: Path, record: job.JobRecord) -> None:
    """A field of the wrong kind, or no JSON at all, is named."""
    directory = RunDirectory.create(tmp_path / "RUN")
    directory.write_job(record)
    content = json.loads(directory.job.read_text())
    content["focus"]["kind"] = "cube"
    directory.job.write_text(json.dumps(content))
    with pytest.raises(
        FormatError, match=r"focus\.kind: Input should be 'sphere', 'mask' or 'whole'"
    ):
        directory.read_job()
    directory.job.write_text("{")
    with pytest.raises(FormatError, match="the file: Invalid JSON"):
        directory.read_job()


def test_record_cannot_be_changed(record: job.JobRecord) -> None:
    """A record is what was measured; nobody edits it afterwards."""
    with pytest.raises(ValidationError, match="frozen"):
        record.seed = 2
