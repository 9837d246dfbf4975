"""Commands on tables of other programs: their rows come back in their own format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import ParticleError, SettingError
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.report.run.page import write_report
from cryofocus.report.run.results import read_results
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.collapse import collapse
from cryofocus.workflows.convert import ConvertSettings, convert
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.expand import expand
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import is_run_file
from cryofocus.workflows.select import select
from cryofocus.workflows.simulate.humanoid import SimulatedSet

BRIEF = {"n_runs": 1, "max_cycles": 2, "invert": "no"}


@pytest.fixture(scope="module")
def make_run(
    tmp_path_factory: pytest.TempPathFactory,
    small_set: SimulatedSet,
    ask: Callable[..., ClassifyRequest],
) -> Callable[[str], tuple[Path, RunDirectory]]:
    """Convert the small set and classify what came of it."""

    def make(suffix: str) -> tuple[Path, RunDirectory]:
        folder = tmp_path_factory.mktemp("foreign")
        table = folder / f"table{suffix}"
        convert(small_set.directory / "particles.star", table)
        request = ask(
            small_set, particles=table, datadir=small_set.directory, settings=dict(BRIEF)
        )
        return table, classify(request, folder / "RUN")

    return make


def test_cryosparc_rows_come_back(
    make_run: Callable[[str], tuple[Path, RunDirectory]], tmp_path: Path
) -> None:
    """particles.cs has the same uids and fields; only class fields differ; select keeps rows."""
    table, run = make_run(".cs")
    before, after = np.load(table), np.load(run.particles)
    assert run.particles.name == "particles.cs"
    assert not (run.path / "particles.star").exists()
    changed = {"alignments3D/class", "alignments3D/class_posterior"}
    for name in set(before.dtype.names) - changed:
        np.testing.assert_array_equal(before[name], after[name])
    posteriors = np.load(run.posteriors)
    np.testing.assert_array_equal(after["alignments3D/class"], posteriors.argmax(axis=1))
    np.testing.assert_allclose(
        after["alignments3D/class_posterior"], posteriors.max(axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(after["cryofocus/class_posterior"], posteriors, rtol=1e-6)
    n_kept = select(run.path, [2], tmp_path / "two.cs")
    kept = np.load(tmp_path / "two.cs")
    assert n_kept == len(kept)
    np.testing.assert_array_equal(kept["uid"], before["uid"][posteriors.argmax(axis=1) == 1])
    with pytest.raises(SettingError, match=r"two\.star: expected a name that ends in \.cs"):
        select(run.path, [2], tmp_path / "two.star")


def test_cryosparc_classes_are_scored(
    make_run: Callable[[str], tuple[Path, RunDirectory]], small_set: SimulatedSet
) -> None:
    """evaluate reads classes, posteriors and poses of a .cs file; cisTEM's says no classes."""
    table, run = make_run(".cs")
    star = run.path / "same.star"
    convert(run.particles, star)
    truth, oracle = small_set.directory / "truth.star", small_set.directory / "oracle.npy"
    scores, same = (evaluate(path, truth, oracle) for path in (run.particles, star))
    assert scores["particles"] == 240
    assert scores["kappa"] == same["kappa"]
    assert scores["oracle_kappa"] == same["oracle_kappa"]
    posteriors = np.load(run.posteriors)
    mean_posterior = scores["calibration"]["mean_posterior"]
    assert mean_posterior == pytest.approx(posteriors.max(axis=1).mean(), abs=1e-6)
    made = convert(small_set.directory / "particles.star", table.with_suffix(".cistem"))
    with pytest.raises(ParticleError) as caught:
        evaluate(made.path, truth)
    assert str(caught.value) == (
        f"{made.path}: does not say the class of each particle; expected a RELION STAR file with "
        "rlnClassNumber or a cryoSPARC .cs file with alignments3D/class. Give the table of a run "
        "directory; to score a set of cisTEM or Frealign, convert it before it is classified "
        "(cryofocus convert)."
    )


def test_cryosparc_copies_are_collapsed(small_set: SimulatedSet, tmp_path: Path) -> None:
    """The particles' own uids and fields come back, with the classes of all their copies."""
    table, expanded = tmp_path / "a.cs", tmp_path / "expanded.cs"
    convert(small_set.directory / "particles.star", table)
    expand(table, OperatorSet.point_group("C2"), expanded)
    plain = collapse(expanded, tmp_path / "plain.cs")
    assert (plain.n_particles, plain.n_operators, plain.lists_classes) == (240, 2, False)
    before, after = np.load(table), np.load(plain.path)
    # Half sets were dealt before the expansion, and stay.
    for name in set(before.dtype.names) - {"alignments3D/split"}:
        np.testing.assert_array_equal(after[name], before[name])
    assert not {"sym_expand/src_uid", "sym_expand/idx"} & set(after.dtype.names)
    copies = open_table(expanded)
    shuffled = np.random.default_rng(1).permutation(480)
    classes = 1 + np.arange(480) % 3
    copies.write(tmp_path / "classified.cs", {"rlnClassNumber": classes[shuffled]}, shuffled)
    made = collapse(tmp_path / "classified.cs", tmp_path / "back.cs")
    assert made.lists_classes
    rows = np.load(made.path)
    order = np.argsort(rows["uid"])
    wanted = (classes - 1).reshape(240, 2)[np.argsort(before["uid"])]
    np.testing.assert_array_equal(rows["cryofocus/operator_classes"][order], wanted)
    with pytest.raises(SettingError, match=r"x\.star: expected a name that ends in \.cs"):
        collapse(expanded, tmp_path / "x.star")
    with pytest.raises(ParticleError) as caught:
        collapse(table, tmp_path / "x.cs")
    assert str(caught.value) == (
        f"{table}: not an expanded set: no sym_expand/src_uid and sym_expand/idx that tell copies "
        "apart; expected a table that 'cryofocus expand' wrote, or its classification. Sets that "
        "other programs expanded do not say which row is the original."
    )
    made_cistem = convert(table, tmp_path / "a.cistem")
    with pytest.raises(ParticleError, match="has no place for parents and operators"):
        collapse(made_cistem.path, tmp_path / "x.cistem")


def test_cistem_gets_one_table_a_class(
    make_run: Callable[[str], tuple[Path, RunDirectory]],
) -> None:
    """particles_class001.cistem and its siblings hold the occupancies of each class."""
    _, run = make_run(".cistem")
    names = {path.name for path in run.path.iterdir()}
    files = {"particles.cistem", "particles_class001.cistem", "particles_class002.cistem"}
    assert files <= names
    assert all(is_run_file(name) for name in names)
    for name in files:
        assert len(open_table(run.path / name).columns().rotation) == 240


def test_particles_that_do_not_count_enter_nothing(
    tmp_path: Path, small_set: SimulatedSet, ask: Callable[..., ClassifyRequest]
) -> None:
    """Sizes, shares and certainty are those of active particles; the others keep their rows."""
    table = tmp_path / "particles.star"
    settings = ConvertSettings(to="cistem-star", datadir=small_set.directory)
    convert(small_set.directory / "particles.star", table, settings)
    document = StarDocument.read(table)
    inactive = np.arange(240) % 4 == 0
    activity = {"cisTEMImageActivity": np.where(inactive, -1, 1)}
    document.write(table, document.blocks[0], activity)
    asked = ask(small_set, particles=table, datadir=small_set.directory)
    directory = classify(asked, tmp_path / "RUN")
    job, results = directory.read_job(), read_results(directory)
    assert (job.n_particles, job.n_counted) == (240, 180)
    np.testing.assert_array_equal(results.posteriors.any(axis=1), ~inactive)
    sizes = np.bincount(results.posteriors[~inactive].argmax(axis=1), minlength=2)
    assert [entry.n_particles for entry in results.classes] == sizes.tolist()
    shares = results.posteriors[~inactive].mean(axis=0)
    np.testing.assert_allclose([entry.weight for entry in results.classes], shares, rtol=1e-5)
    highest = results.posteriors[~inactive].max(axis=1).mean()
    assert results.mean_accuracy == pytest.approx(highest, rel=1e-5)
    assert f"of the 180 particles that count (mean highest probability {highest:.2f})" in (
        job.verdict
    )
    assert sum(sum(row.reported) for row in results.run_classes if row.run == 1) == 180
    write_report(directory.path)
    assert "of which 180 count" in directory.report.read_text(encoding="utf-8")
    chosen = [select(directory.path, k, tmp_path / f"{k}.star") for k in (1, 2)]
    assert chosen == sizes.tolist()
    assert len(StarDocument.read(directory.particles).blocks[0].row_lines) == 240
