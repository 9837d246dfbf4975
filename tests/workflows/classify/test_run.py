"""`classify` end to end on small sets: the run directory, its numbers, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import InputError, OutputError, RegionError, SettingError
from cryofocus.report.run.page import write_report
from cryofocus.report.run.results import read_results
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import RUN_FILES, is_run_file
from cryofocus.workflows.run.job import FindingCode
from cryofocus.workflows.simulate.humanoid import SimulatedSet

Ask = Callable[..., ClassifyRequest]
MADE_LATER = {"report.html", "view.cxc", "region.cmm", "checkpoint.npz", "search.npz"}
# Poses stay as they are, and the region cuts nothing.
NOT_ASKED_FOR = {"poses.npz", "proposed_region.mrc", "variance", "regions"}
ADDED = (
    *("rlnClassNumber", "rlnMaxValueProbDistribution", "rlnLogLikeliContribution"),
    *("cryofocusClassPosterior", "cryofocusOutlier"),
)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and what is in it."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_directory_is_complete_and_readable(finished: RunDirectory) -> None:
    """Every promised file is there, nothing else is, and the report's reader accepts them."""
    names = {path.name for path in finished.path.iterdir()}
    for file in RUN_FILES:
        missing = file.name in MADE_LATER | NOT_ASKED_FOR
        assert missing or any(finished.path.glob(file.name)), file.name
    assert {"class001.mrc", "class002_half1.mrc", "class002_half2.mrc"} <= names
    assert all(is_run_file(name) for name in names)
    results = read_results(finished)
    np.testing.assert_allclose(results.posteriors.sum(axis=1), 1, rtol=1e-6)
    assert len(results.fsc) == 2
    assert [trace.run for trace in results.traces] == [1, 2]
    assert finished.command.read_text() == "the command\n"


def test_classes_are_the_true_ones(finished: RunDirectory, small_set: SimulatedSet) -> None:
    """On few but clear images most classes are the true ones."""
    truth = small_set.directory / "truth.star"
    assert evaluate(finished.particles, truth)["kappa"] > 0.8 * small_set.oracle_kappa
    assert finished.read_job().classes_found
    assert finished.read_job().verdict.startswith("Found 2 classes in this region: ")


def test_job_says_how_the_run_went(finished: RunDirectory) -> None:
    """The log-posterior never falls, and stages, region, contrast and agreement are recorded."""
    job = finished.read_job()
    assert np.all(np.diff(job.objective) >= 0)
    assert len(job.objective) == job.cycles > 0
    assert job.objective_name == "log-posterior"
    stages = {"reading", "consensus", "statistics", "run 1 of 2", "class maps", "writing"}
    assert stages <= job.seconds.keys() == job.peak_memory_gb.keys()
    assert job.focus.kind == "sphere"
    scores = np.load(finished.outliers)
    assert job.n_outliers == (scores > 4).sum()
    # Of one normal image the score is 4.00.
    assert scores.max() < 4.01
    assert job.contrast.sign == 1
    assert job.agreement.mean == job.agreement.per_pair[0].agreement > 0.9
    assert job.runs[job.best_run - 1].agreement_with_best == 1.0


def test_rows_of_the_user_stay_as_they_were(
    finished: RunDirectory, small_set: SimulatedSet
) -> None:
    """Without the four added columns, particles.star is the user's file byte for byte."""
    before = (small_set.directory / "particles.star").read_bytes().splitlines()
    after = finished.particles.read_bytes().splitlines()
    after = [line for line in after if not any(b"_" + a.encode() in line for a in ADDED)]
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert new == old or (b"@" in old and new.startswith(old.rstrip() + b" "))


def test_table_and_arrays_agree(finished: RunDirectory) -> None:
    """Class, highest posterior and all posteriors in the table are those of posteriors.npy."""
    posteriors = np.load(finished.posteriors)
    document = StarDocument.read(finished.particles)
    block = document.block("particles")
    numbers = document.numbers(block, ADDED[:3])
    np.testing.assert_array_equal(numbers["rlnClassNumber"], posteriors.argmax(axis=1) + 1)
    np.testing.assert_allclose(
        numbers["rlnMaxValueProbDistribution"], posteriors.max(axis=1), atol=1e-6
    )
    texts = document.texts(block, [ADDED[3]])[ADDED[3]]
    written = [[float(part) for part in text.strip("[]").split(",")] for text in texts]
    np.testing.assert_allclose(written, posteriors, atol=1e-6)


def test_config_repeats_the_run(
    tmp_path: Path, finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's config.yaml gives the same result again, also when statistics lie on disk."""
    monkeypatch.chdir(tmp_path)
    for user in ("run", "statistics_store"):
        monkeypatch.setattr(f"cryofocus.workflows.classify.{user}.peak_memory_gb", lambda: 3.0)
    request = read_config(finished.config, {"memory_gb": 2.0})
    again = classify(request, Path("AGAIN"))
    assert "statistics lie on disk" in again.log.read_text()
    job = again.read_job()
    assert "more than the 2.00 GB allowed" in job.findings[-1].text
    assert job.findings[-1].text in again.log.read_text()
    assert not {finding.text for finding in job.findings} & set(job.warnings)
    same = ("particles.star", "posteriors.npy", "class001.mrc", "convergence.csv", "fsc.star")
    for name in same:
        assert (again.path / name).read_bytes() == (finished.path / name).read_bytes(), name


def test_odd_box_three_classes_one_run_with_controls(
    tmp_path: Path, simulate: Callable[..., SimulatedSet], ask: Ask
) -> None:
    """An odd box works, as do more classes than there are, a single run and control maps."""
    settings = {"n_classes": 3, "n_runs": 1, "control_maps": True, "max_cycles": 3}
    odd = simulate(box=25, particles=150)
    directory = classify(ask(odd, settings=settings), tmp_path / "RUN")
    assert read_volume(directory.control_map(3)).data.shape == (25, 25, 25)
    results = read_results(directory)
    assert results.agreement is None
    assert results.job.agreement.mean is None
    assert results.job.n_outliers == 0
    weights = [entry.weight for entry in results.classes]
    assert weights == sorted(weights, reverse=True)


def test_number_of_classes_is_found(small_set: SimulatedSet, ask: Ask, tmp_path: Path) -> None:
    """`auto` tries numbers until it only gets worse, and the record says which."""
    request = ask(small_set, settings={"n_classes": "auto", "n_runs": 2})
    directory = classify(request, tmp_path / "auto")
    job = directory.read_job()
    assert job.n_classes == job.n_effective_classes == 2
    assert [trial.n_classes for trial in job.trials] == [2, 3, 4]
    assert max(job.trials, key=lambda trial: trial.objective).n_classes == 2
    assert job.p_value_no_classes is not None
    assert job.p_value_no_classes < 1e-6
    assert job.expected_accuracy is not None
    assert 0.8 < job.expected_accuracy <= 1
    assert len(job.runs) == 2
    assert read_config(directory.config).settings.n_classes == "auto"
    write_report(directory.path)
    assert "How many classes are there?" in directory.report.read_text(encoding="utf-8")


def test_classes_that_merge_stay_in_the_tables(
    small_set: SimulatedSet, ask: Ask, tmp_path: Path
) -> None:
    """Of five classes where there are two, three hold nobody, and say whose copies they are."""
    directory = classify(ask(small_set, settings={"n_classes": 5, "n_runs": 1}), tmp_path / "RUN")
    job, results = directory.read_job(), read_results(directory)
    assert (job.n_classes, job.n_effective_classes) == (5, 2)
    assert [entry.weight > 0 for entry in results.classes] == [True, True, False, False, False]
    first_halves = {}
    for entry in results.classes:
        volume = read_volume(directory.class_map(entry.class_number)).data
        shared = first_halves.setdefault(entry.effective_class, volume)
        np.testing.assert_array_equal(volume, shared)
    assert sorted(first_halves) == [1, 2]
    assert np.isin(results.class_index, [0, 1]).all()
    assert job.verdict.startswith("Found 2 classes in this region: ")
    write_report(directory.path)
    assert "(counts as " in directory.report.read_text(encoding="utf-8")


def test_noise_holds_no_classes(
    tmp_path: Path, simulate: Callable[..., SimulatedSet], ask: Ask
) -> None:
    """For pure noise, job and log say that no classes were found, and posteriors say so too."""
    noise = simulate(noise_only=True)
    directory = classify(ask(noise), tmp_path / "RUN")
    job = directory.read_job()
    assert not job.classes_found
    assert job.n_outliers == 0
    assert job.verdict.startswith("No classes were found")
    assert FindingCode.NO_CLASSES in [finding.code for finding in job.findings]
    assert np.load(directory.posteriors).max(axis=1).mean() <= 0.55


def test_maps_lie_in_the_frame_of_the_users_map(
    tmp_path: Path, small_set: SimulatedSet, ask: Ask
) -> None:
    """A sphere in the frame of a map with an origin gives the same mask, placed there."""
    origin = (100.0, -50.0, 20.0)
    plain = ask(small_set, settings={"n_runs": 1, "max_cycles": 1})
    write_volume(tmp_path / "map.mrc", np.zeros((24, 24, 24), np.float32), 17.5, origin)
    assert plain.focus is not None
    x, y, z, radius = plain.focus
    moved = plain.model_copy(
        update={
            "map": tmp_path / "map.mrc",
            "focus": (x + origin[0], y + origin[1], z + origin[2], radius),
        }
    )
    first = classify(plain, tmp_path / "PLAIN")
    second = classify(moved, tmp_path / "MOVED")
    masks = [read_volume(run.focus_mask) for run in (first, second)]
    np.testing.assert_allclose(masks[0].data, masks[1].data, atol=1e-5)
    assert read_volume(second.class_map(1)).origin_angstrom == origin


def test_existing_run_is_refused_and_bad_input_spares_it(
    tmp_path: Path, finished: RunDirectory, small_set: SimulatedSet, ask: Ask
) -> None:
    """Neither a second run nor a wrong request with --overwrite changes a run that is there."""
    run = tmp_path / "RUN"
    shutil.copytree(finished.path, run)
    before = contents(run)
    with pytest.raises(OutputError, match=r"holds a finished run. Use --overwrite"):
        classify(ask(small_set), run)
    with pytest.raises(InputError, match=r"extends 100\.0 Å outside the box"):
        classify(ask(small_set, focus=(0, 200, 200, 100)), run, overwrite=True)
    with pytest.raises(SettingError, match=r"classes: 150 asked for, but .* holds only 240"):
        classify(ask(small_set, settings={"n_classes": 150}), run, overwrite=True)
    assert contents(run) == before


def test_damaged_image_spares_the_run_it_would_replace(
    tmp_path: Path, finished: RunDirectory, small_set: SimulatedSet, ask: Ask
) -> None:
    """An image with a NaN is named, and what --overwrite would replace is as it was."""
    run, data = tmp_path / "RUN", tmp_path / "set"
    shutil.copytree(finished.path, run)
    shutil.copytree(small_set.directory, data)
    pixels = np.memmap(data / "particles.mrcs", np.float32, "r+", 1024, (240, 24, 24))
    pixels[200, 3, 4] = np.nan
    pixels.flush()
    before = contents(run)
    with pytest.raises(InputError, match="image 201 has pixels that are NaN"):
        classify(ask(small_set, particles=data / "particles.star"), run, overwrite=True)
    assert contents(run) == before


def test_empty_region_spares_the_run_it_would_replace(
    tmp_path: Path, finished: RunDirectory, small_set: SimulatedSet, ask: Ask
) -> None:
    """What only the consensus can tell is refused with the former run as it was."""
    run = tmp_path / "RUN"
    shutil.copytree(finished.path, run)
    before = contents(run)
    with pytest.raises(RegionError, match="almost empty"):
        classify(ask(small_set, focus=(60.0, 25.0, 50.0, 25.0)), run, overwrite=True)
    assert contents(run) == before


def test_finished_run_resumes_to_itself(
    tmp_path: Path, finished: RunDirectory, small_set: SimulatedSet, ask: Ask
) -> None:
    """Resuming a finished run does nothing, and refuses other settings by name."""
    run = tmp_path / "RUN"
    shutil.copytree(finished.path, run)
    before = contents(run)
    classify(ask(small_set), run, resume=True)
    with pytest.raises(SettingError, match=r"finished, but n_classes was 2, now 3\. Replace"):
        classify(ask(small_set, settings={"n_classes": 3}), run, resume=True)
    after = contents(run)
    assert {name for name in after if after[name] != before[name]} == {"run.log"}


def test_overwrite_replaces_but_keeps_foreign_files(
    tmp_path: Path, finished: RunDirectory, small_set: SimulatedSet, ask: Ask
) -> None:
    """With --overwrite nothing of the former run is left, and a user's own file is."""
    run = tmp_path / "RUN"
    shutil.copytree(finished.path, run)
    (run / "notes.txt").write_text("mine")
    (run / "class007.mrc").write_bytes(b"")
    settings = {"n_runs": 1, "max_cycles": 1, "seed": 5}
    classify(ask(small_set, settings=settings), run, overwrite=True)
    assert RunDirectory.open(run).read_job().seed == 5
    assert (run / "notes.txt").read_text() == "mine"
    assert not (run / "class007.mrc").exists()
