"""`select`: which rows are kept, and what is refused."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cryofocus.cli.main import app
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import CryofocusError, FormatError
from cryofocus.report.run.results import read_results
from cryofocus.report.run.tables import next_steps
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.select import select


def names(path: Path) -> list[str]:
    """Image names of a particle table."""
    document = StarDocument.read(path)
    return document.texts(document.block("particles"), ["rlnImageName"])["rlnImageName"]


def test_rows_of_a_class_are_kept_in_order(tmp_path: Path, finished: RunDirectory) -> None:
    """Without a minimum, the rows of a class are those it is the most probable class of."""
    posteriors, everything = np.load(finished.posteriors), names(finished.particles)
    output = tmp_path / "second.star"
    n_kept = select(finished.path, [2], output)
    expected = np.flatnonzero(posteriors.argmax(axis=1) == 1)
    assert n_kept == len(expected)
    assert names(output) == [everything[row] for row in expected]
    assert b"data_optics" in output.read_bytes()


def test_a_minimum_is_of_the_sum_or_of_the_most_probable(
    tmp_path: Path, finished: RunDirectory
) -> None:
    """Over the chosen classes posteriors are summed; where none is chosen, the highest counts."""
    posteriors = np.load(finished.posteriors)
    sure = select(finished.path, [1], tmp_path / "sure.star", min_posterior=0.99)
    assert sure == int((posteriors[:, 0] >= 0.99).sum()) > 0
    limit = float(np.median(posteriors.max(axis=1)))
    certain = select(finished.path, None, tmp_path / "certain.star", min_posterior=limit)
    assert certain == int((posteriors.max(axis=1) >= limit - 1e-6).sum()) > sure


def test_junk_that_is_kept_is_counted(
    tmp_path: Path, finished: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a limit junk stays in its class; how much, and how to leave it out, is said."""
    run = RunDirectory.open(Path(shutil.copytree(finished.path, tmp_path / "RUN")))
    labels = np.load(run.posteriors).argmax(axis=1)
    of_second = np.flatnonzero(labels == 1)
    outliers = np.zeros(len(labels), np.float32)
    outliers[[*of_second[:3], np.flatnonzero(labels == 0)[0]]] = 7.0
    np.save(run.outliers, outliers)
    with caplog.at_level("INFO", "cryofocus"):
        assert select(run.path, [2], tmp_path / "all.star") == len(of_second)
    said = f"3 of the {len(of_second)} chosen look like junk and are kept; --max-outlier 4 leaves"
    assert said in caplog.text
    caplog.clear()
    clean = select(run.path, [2], tmp_path / "clean.star", max_outlier=4.0)
    assert clean == len(of_second) - 3
    assert "look like junk" not in caplog.text


def test_commands_of_the_page_run_anywhere(
    tmp_path: Path, finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page offers after a run can be pasted in any folder, one after the other."""
    run = RunDirectory.open(Path(shutil.copytree(finished.path, tmp_path / "RUN")))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    commands = [shlex.split(command) for _, command in next_steps(read_results(run))]
    after = [words[1:] for words in commands if words[1] in ("select", "reconstruct")]
    assert len(after) == 2
    for words in after:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("classes", "min_posterior", "message"),
    [
        ([3], None, "found class 3, but this run has classes 1 to 2"),
        ([0, 1], None, "found class 0"),
        ([], None, "found none"),
        ([2, 1], 0.9, "min_posterior: means nothing with all 2 classes"),
        ([1], 1.5, r"min_posterior: found 1\.5, expected a probability from 0 to 1"),
    ],
)
def test_impossible_selection_is_refused(
    tmp_path: Path,
    finished: RunDirectory,
    classes: list[int],
    min_posterior: float | None,
    message: str,
) -> None:
    """An unknown class or probability gives one message, and nothing is written."""
    output = tmp_path / "out.star"
    with pytest.raises(CryofocusError, match=message):
        select(finished.path, classes, output, min_posterior=min_posterior)
    assert not output.exists()


def test_outliers_are_left_out_alone_or_of_a_class(tmp_path: Path, finished: RunDirectory) -> None:
    """A limit keeps the rows whose image is nearer, of all classes or of those chosen."""
    score, everything = np.load(finished.outliers), names(finished.particles)
    limit = float(np.median(score))
    near = tmp_path / "near.star"
    assert select(finished.path, None, near, max_outlier=limit) == (score <= limit).sum()
    assert names(near) == [everything[row] for row in np.flatnonzero(score <= limit)]
    chosen = (score <= limit) & (np.load(finished.posteriors)[:, 0] >= 0.9)
    n_kept = select(
        finished.path, [1], tmp_path / "both.star", min_posterior=0.9, max_outlier=limit
    )
    assert n_kept == chosen.sum() > 0


def test_a_run_that_did_not_look_for_outliers_says_so(
    tmp_path: Path, finished: RunDirectory
) -> None:
    """A run of an older version can be selected from, but not by outliers."""
    old = tmp_path / "old"
    shutil.copytree(finished.path, old, ignore=shutil.ignore_patterns("outliers.npy"))
    with pytest.raises(FormatError, match=r"holds no outliers\.npy, so this run did not look"):
        select(old, None, tmp_path / "out.star", max_outlier=4.0)
    assert select(old, [1], tmp_path / "out.star") > 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"max_outlier": 0.0}, "max_outlier: found 0, expected a positive number"),
        ({"max_outlier": float("nan")}, "max_outlier: found nan"),
        ({"max_outlier": 1e-9}, "every particle chosen is farther from the consensus"),
        ({}, "found neither classes nor a limit"),
    ],
)
def test_senseless_limits_are_refused(
    tmp_path: Path, finished: RunDirectory, asked: dict[str, float], message: str
) -> None:
    """What would keep all or nothing gives one message, and nothing is written."""
    output = tmp_path / "out.star"
    with pytest.raises(CryofocusError, match=message):
        select(finished.path, None, output, **asked)
    assert not output.exists()


def test_existing_output_is_kept_unless_told(tmp_path: Path, finished: RunDirectory) -> None:
    """A file that is there is only replaced on request."""
    output = tmp_path / "out.star"
    output.write_text("mine")
    with pytest.raises(CryofocusError, match=r"exists\. Choose another name with -o"):
        select(finished.path, [1], output)
    assert output.read_text() == "mine"
    select(finished.path, [1], output, overwrite=True)
    assert len(names(output)) > 0


def test_unfinished_run_is_refused(tmp_path: Path) -> None:
    """A run without results names the way to finish it."""
    run = RunDirectory.create(tmp_path / "RUN")
    with pytest.raises(FormatError, match="this run is unfinished"):
        select(run.path, [1], tmp_path / "out.star")


def test_a_selection_says_where_its_images_are(
    tmp_path: Path, finished: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder of the images, as the run found them, is named as what --datadir needs."""
    output = tmp_path / "first.star"
    caplog.set_level("INFO", "cryofocus")
    select(finished.path, [1], output)
    folder = read_config(finished.config).particles.parent
    assert caplog.messages[-1].endswith(f"or add --datadir {folder}")
