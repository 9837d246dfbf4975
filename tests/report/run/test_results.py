"""Reading a run directory: what belongs together is checked, what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from cryofocus.errors import FormatError
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_array

Build = Callable[..., RunDirectory]


def test_everything_is_read(build_run: Build) -> None:
    """Classes, curves, traces and settings arrive with the numbers that were written."""
    results = read_results(build_run(n_classes=3))
    assert [entry.class_number for entry in results.classes] == [1, 2, 3]
    assert sum(entry.weight for entry in results.classes) == pytest.approx(1.0, abs=1e-6)
    assert len(results.fsc) == 3
    assert results.fsc[0].spatial_frequency[-1] == pytest.approx(0.125)
    assert [trace.run for trace in results.traces] == [1, 2, 3]
    assert results.traces[1].cycle.tolist() == list(range(1, 16))
    assert results.settings == {
        "classes": "3",
        "focus.centre": "[36.0, 84.0, 64.0]",
        "focus.radius": "22",
        "mask": "not set",
    }
    assert results.best_run.run == 1


def test_optional_files_may_be_missing(build_run: Build) -> None:
    """Without FSC, convergence, agreement and settings the rest is still read."""
    optional = ("fsc.star", "convergence.csv", "agreement.npy", "config.yaml")
    results = read_results(build_run(left_out=optional))
    assert (results.fsc, results.traces, results.agreement, results.settings) == ((), (), None, {})


@pytest.mark.parametrize("name", ["classes.csv", "posteriors.npy"])
def test_missing_result_is_named(build_run: Build, name: str) -> None:
    """A missing result names its file and the way to get it."""
    directory = build_run(left_out=(name,))
    with pytest.raises(FormatError) as failure:
        read_results(directory)
    assert str(failure.value).startswith(
        f"{directory.path / name}: missing or damaged (No such file"
    )


def test_unfinished_run_is_refused(build_run: Build) -> None:
    """A run without job.json is unfinished, and the message says how to go on."""
    with pytest.raises(FormatError, match=r"this run is unfinished .*--resume"):
        read_results(build_run(left_out=("job.json",)))


def test_posteriors_of_another_run_are_refused(build_run: Build) -> None:
    """Posteriors of another number of particles or classes are refused with both shapes."""
    directory = build_run()
    write_array(directory.posteriors, np.zeros((5, 2), dtype=np.float32))
    with pytest.raises(FormatError, match=r"shape \(5, 2\), expected \(600, 2\)"):
        read_results(directory)


def test_posteriors_that_are_not_numbers_are_refused(build_run: Build) -> None:
    """NaN among the posteriors is refused instead of being drawn."""
    directory = build_run()
    write_array(directory.posteriors, np.full((600, 2), np.nan, dtype=np.float32))
    with pytest.raises(FormatError, match="some values are not finite"):
        read_results(directory)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "classes.csv",
            "class,particles\n1,2\n",
            r"classes\.csv: missing or damaged \(row 1, weight: Field required",
        ),
        ("posteriors.npy", "no array", r"posteriors\.npy: missing or damaged"),
        (
            "convergence.csv",
            "run,cycle\none,1\n",
            r"convergence\.csv: missing or damaged \(row 1, run: ",
        ),
        ("config.yaml", "a: [1", r"config\.yaml: cannot be read as YAML"),
        ("fsc.star", "data_class_001\nloop_\n_rlnX\n1\n", "lacks rlnFourierShellCorrelation"),
    ],
)
def test_damaged_file_is_named(build_run: Build, name: str, content: str, message: str) -> None:
    """Each damaged file is named with what is wrong in it."""
    directory = build_run()
    (directory.path / name).write_text(content)
    with pytest.raises(FormatError, match=message):
        read_results(directory)


def test_classes_must_be_all_there(build_run: Build) -> None:
    """A table that lacks a class is refused with what it holds."""
    directory = build_run(n_classes=3)
    lines = directory.classes.read_text().splitlines()
    directory.classes.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(FormatError, match=r"classes \[1, 2\], expected 1 to 3"):
        read_results(directory)


def test_best_run_must_exist(build_run: Build) -> None:
    """A best run that is not among the runs is refused."""
    directory = build_run()
    content = json.loads(directory.job.read_text()) | {"best_run": 9}
    directory.job.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="best_run is 9, which is not in runs"):
        read_results(directory)
