"""Damaged files of every kind: whatever the damage, only our own error comes out of a reader."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryofocus.data.cistem.binary import new_column, write_binary
from cryofocus.data.formats import open_table
from cryofocus.data.operator_file import read_operators
from cryofocus.data.particle_table import Supplement
from cryofocus.data.volume import read_volume
from cryofocus.errors import CryofocusError
from cryofocus.maths.ctf import Microscope
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import (
    Contrast,
    FocusRegion,
    Hardware,
    JobRecord,
    RunAgreement,
    RunSummary,
)
from particle_files import cs_rows, par_text, save_cs, star_text, stream_bytes, write_stack_file

# Few and always the same: a net against the next change, not a search.
LIGHT = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JOB = JobRecord(
    **{"version": "1", "command": "c", "seed": 1, "started": "2026-01-01", "box": 8},
    **{"n_particles": 4, "n_classes": 2, "pixel_size_angstrom": 2.0, "strategy": "residual"},
    **{"best_run": 1, "classes_found": True, "verdict": "v", "cycles": 1},
    machine=Hardware(processor="p", cores=1, memory_gb=1.0, python="3", platform="p"),
    seconds={"reading": 1.0},
    peak_memory_gb={"reading": 0.1},
    focus=FocusRegion(kind="mask", path="mask.mrc"),
    runs=(RunSummary(run=1, seed=1, cycles=1, objective=0, converged=True, reason="r"),),
    agreement=RunAgreement(),
    contrast=Contrast(sign=1, how="h"),
    objective=(0.0,),
)
REQUEST = {"particles": "a.star", "focus": (1.0, 2.0, 3.0, 4.0), "settings": {"n_classes": 2}}
CISTEM_STAR = (
    "data_\n\nloop_\n_cisTEMPositionInStack #1\n_cisTEMAnglePsi #2\n_cisTEMAngleTheta #3\n"
    "_cisTEMAnglePhi #4\n_cisTEMDefocus1 #5\n_cisTEMDefocus2 #6\n_cisTEMDefocusAngle #7\n"
    "_cisTEMPixelSize #8\n_cisTEMMicroscopeVoltagekV #9\n_cisTEMMicroscopeCsMM #10\n"
    "_cisTEMAmplitudeContrast #11\n1 1 2 3 1e4 1e4 0 1 300 2.7 0.1\n"
    "2 1 2 3 1e4 1e4 0 1 300 2.7 0.1\n"
)


def write_cistem(path: Path) -> None:
    """A binary table with a text between numbers."""
    columns = [
        new_column(label, np.array([1.0, 2.0])) for label in ("PositionInStack", "AnglePsi")
    ]
    columns.append(new_column("StackFilename", [b"a.mrc", b"b.mrc"]))
    write_binary(path, columns, 2)


def read_mrc(path: Path) -> None:
    """Read a map."""
    read_volume(path)


def read_table(path: Path) -> None:
    """Open a particle table, read everything, and write a part of it."""
    stack = path.with_name("sound.mrc")
    supplement = {
        ".cistem": Supplement(stack),
        ".par": Supplement(stack, Microscope(300, 2.7, 0.1)),
    }.get(path.suffix)
    table = open_table(path, supplement)
    with suppress(CryofocusError):
        table.columns()
    table.classes()
    table.unread()
    if table.n_rows:
        table.write(path.with_name(f"out{table.suffix}"), {}, np.array([0]))


def write_job(path: Path) -> None:
    """A run directory that says it is finished."""
    path.write_text(JOB.model_dump_json(indent=2))


def read_job(path: Path) -> None:
    """Open a run directory and read its record."""
    RunDirectory.open(path.parent).read_job()


def write_config(path: Path) -> None:
    """A configuration of classify."""
    path.write_text(ClassifyRequest(**REQUEST).to_yaml())


def read_settings(path: Path) -> None:
    """Read a configuration, as --config does."""
    read_config(path, {})


SOUND: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], None]]] = {
    "star": ("x.star", lambda path: path.write_text(star_text()), read_table),
    "cs": ("x.cs", lambda path: save_cs(path, cs_rows()), read_table),
    "cs stream": ("x.cs", lambda path: path.write_bytes(stream_bytes()), read_table),
    "cistem star": ("sound.star", lambda path: path.write_text(CISTEM_STAR), read_table),
    "cistem": ("x.cistem", write_cistem, read_table),
    "par": ("x.par", lambda path: path.write_text(par_text()), read_table),
    "job": ("job.json", write_job, read_job),
    "config": ("x.yaml", write_config, read_settings),
    "operators": (
        "x.txt",
        lambda path: path.write_text("# two\n1 0 0 0 1 0 0 0 1\n-1 0 0 0 -1 0 0 0 1 0 0 2\n"),
        read_operators,
    ),
    "mrc": ("x.mrc", lambda path: write_stack_file(path, np.zeros((2, 4, 4), "f4")), read_mrc),
}


def spoil(raw: bytes, data: st.DataObject) -> bytes:
    """Change a few bytes, cut the file, or put something into it."""
    content = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        # Most of what can go wrong is near the start.
        place = data.draw(st.integers(0, max(len(content) - 1, 0)) | st.integers(0, 200))
        place = min(place, len(content))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if kind == "set":
            content[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 40))]
        elif kind == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            content[place:place] = content[place : place + data.draw(st.integers(1, 40))]
    return bytes(content)


@pytest.mark.parametrize("kind", SOUND)
@LIGHT
@given(data=st.data())
def test_only_our_own_error_comes_out(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    """A damaged file is read, or refused with an error meant for the user; never anything else."""
    name, write, read = SOUND[kind]
    path = tmp_path / name
    write_stack_file(tmp_path / "sound.mrc", np.zeros((4, 8, 8), np.float32))
    path.unlink(missing_ok=True)
    write(path)
    path.write_bytes(spoil(path.read_bytes(), data))
    with suppress(CryofocusError):
        read(path)


READERS = {
    **{f"x.{kind}": read_table for kind in ("star", "cs", "cistem", "par")},
    **{"x.mrc": read_mrc, "job.json": read_job, "x.yaml": read_settings, "x.txt": read_operators},
}


@pytest.mark.parametrize("name", READERS)
@LIGHT
@given(content=st.binary(max_size=2000))
def test_noise_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """A file of random bytes is no particle table, no map and no record."""
    path = tmp_path / name
    path.write_bytes(content)
    with suppress(CryofocusError):
        READERS[name](path)
