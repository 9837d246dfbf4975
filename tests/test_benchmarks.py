"""The benchmark scripts: they start, count what they say, and keep what they measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.machine.progress_monitor import ProgressMonitor

Load = Callable[[str], ModuleType]
FOLDER = Path(__file__).parents[1] / "benchmarks"
# One process for all of them, so that libraries are loaded once.
ASK_FOR_HELP = """
import contextlib, io, runpy, sys
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
    print(script, "usage" in said.getvalue())
"""


def scripts() -> list[Path]:
    """Return the scripts that answer a question, without the modules they share."""
    return [p for p in sorted(FOLDER.glob("*.py")) if "__main__" in p.read_text(encoding="utf-8")]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a benchmark's module as its script would."""
    monkeypatch.syspath_prepend(FOLDER)
    return import_module


def test_every_script_starts() -> None:
    """Every benchmark's imports work and --help answers."""
    names = [str(path) for path in scripts()]
    command = [sys.executable, "-c", ASK_FOR_HELP, *names]
    folder = {"PYTHONPATH": str(FOLDER)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=folder).stdout
    assert said.split() == [word for name in names for word in (name, "True")]


def test_every_script_asks_a_question_and_stands_in_the_docs() -> None:
    """A benchmark's docstring begins with what it answers, and docs/benchmarks.md names it."""
    page = (FOLDER.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for path in scripts():
        question = path.read_text(encoding="utf-8").split('"""')[1].split("\n\n")[0]
        assert "?" in question, path.name
        assert f"`{path.stem}`" in page, path.name


def test_roofline_tables_follow_from_the_counts(load: Load) -> None:
    """With limits of one, the bound of a kernel is what was counted, and the largest sets it."""
    roofline, limits_of = load("roofline"), load("machine_limits").Limits
    one = limits_of(
        threads=1,
        triad=1.0,
        read=1.0,
        loads=1.0,
        changes=1.0,
        lines={},
        updates={},
        arithmetic=1.0,
    )
    bounds = roofline.count("E", 4, 12.0).bounds(one)
    assert bounds == {"memory": 12, "first cache": 8 * 8 * 4, "arithmetic": 27 + 39 * 4}
    assert roofline.count("M", 4, 12.0).bounds(one)["first cache"] == 2 * 8 * 3 * 4 * 4
    case = roofline.Case.make(3, np.random.default_rng(0))
    text, seconds = roofline.table(case, [1, 2], one)
    assert set(seconds) == {(kernel, k) for kernel in ("E", "M", "latent") for k in (1, 2)}
    assert text.count("\n") == 1 + len(seconds)


def test_courses_settle_where_they_stay(load: Load, tmp_path: Path) -> None:
    """A course has settled after the last value that is far off, and is kept as it was."""
    course = load("relion_steps").Course(
        stages={"consensus": 1.0},
        cpu_seconds=(1.0, 2.0, 3.0, 4.0),
        kappas=(0.9, 0.5, 0.899, 0.9),
        total_seconds=5.0,
        wall_seconds=6.0,
        where="here",
    )
    assert course.settled(0.005) == 2
    course.write(tmp_path / "course.json")
    assert type(course).read(tmp_path / "course.json") == course


def test_rows_of_scaling_are_kept(load: Load, tmp_path: Path) -> None:
    """What was measured of a dependence is read back as it was, and makes the table and figure."""
    scaling = load("scaling")
    seconds = dict.fromkeys(scaling.STAGES, 0.5)
    common = {"particles": 10, "box": 8, "radius": 60.0, "threads": 1, "where": "here"}
    common |= {"program_gb": 0.3, "statistics_gb": 0.1, "seconds": seconds, "peaks_gb": seconds}
    rows = [scaling.Row("classes", float(k), classes=k, **common) for k in (2, 4)]
    scaling.write_rows(tmp_path / "rows.csv", rows)
    assert scaling.read_rows(tmp_path / "rows.csv") == rows
    assert "| 4 | 0.5 |" in scaling.table("classes", rows)
    scaling.draw({"classes": rows}, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_framed_images_keep_their_noise(load: Load, tmp_path: Path) -> None:
    """Of some of the particles, every image is framed as it was among all."""
    synthetic = load("synthetic")
    small = synthetic.SimulatedSet.make(tmp_path / "set", 6, 16, 26.2)
    _, frames, _ = small.enlarge(10, 24)
    which = np.array([1, 4, 8])
    np.testing.assert_array_equal(frames.take(which).read(np.arange(3)), frames.read(which))
    inner = ImageReader(ParticleSet.read(small.folder / "particles.star")).read(np.array([4]))
    np.testing.assert_array_equal(frames.read(which)[1, 4:20, 4:20], inner[0])


def test_stages_and_what_lies_between_add_up(load: Load) -> None:
    """Stages that come twice are summed; the search for a run's start has a name of its own."""
    watch = load("stage_watch").StageWatch()
    monitor = ProgressMonitor(watch)
    with monitor.stage("statistics", 2) as advance:
        advance(2)
    for name in ("run 1 of 2", "run 2 of 2"):
        with monitor.stage(name, 5, at_most=True) as advance:
            for note in ("strongest differences, cycle 1", "classes among them, the best starts"):
                advance(0, note)
            advance(1, "learning the prior")
            advance()
    stages = watch.by_stage()
    assert list(stages) == ["between stages", "statistics", "subspace and mixture", "cycles"]
    assert len(stages["cycles"].steps) == 4
    assert not stages["subspace and mixture"].steps
    assert sum(span.seconds for span in watch.spans) >= sum(stages["cycles"].steps)
