"""Global search of a table: what is written, what is refused, and going on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.consensus import reach
from cryofocus.data.formats import open_table
from cryofocus.data.labels import ANGLE_LABELS, SHIFT_LABELS
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import (
    CryofocusError,
    InputError,
    Interrupted,
    OutputError,
    ParticleError,
    SettingError,
)
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.search import PoseSearch
from cryofocus.workflows.align import search as search_module
from cryofocus.workflows.align.search import align_search
from cryofocus.workflows.align.search_inputs import AlignSearchSettings, read_search_inputs
from cryofocus.workflows.expand import expand
from cryofocus.workflows.simulate.humanoid import SimulatedSet

N, PIXEL = 24, 17.5
SETTINGS = AlignSearchSettings(max_resolution_angstrom=45.0, angular_step_degrees=12.0)


@pytest.fixture(scope="session")
def folder(
    tmp_path_factory: pytest.TempPathFactory, simulate: Callable[..., SimulatedSet]
) -> Path:
    """A table of particles that all look alike, and the map of what they show."""
    made = simulate(particles=N, snr=2.0, seed=5)
    folder = tmp_path_factory.mktemp("searched")
    for name in ("particles.star", "particles.mrcs"):
        shutil.copy(made.directory / name, folder)
    maps = [read_volume(path).data for path in sorted((made.directory / "maps").glob("*.mrc"))]
    write_volume(folder / "map.mrc", np.mean(maps, axis=0), PIXEL)
    return folder


@pytest.fixture(scope="session")
def searched(folder: Path) -> Path:
    """The table with the poses that were found."""
    return align_search(
        folder / "particles.star", folder / "map.mrc", folder / "found.star", SETTINGS
    ).path


def test_poses_are_found_and_rows_kept(folder: Path, searched: Path) -> None:
    """Most poses are those of the simulation; other columns and the rows' order stay."""
    truth, found = ParticleSet.read(folder / "particles.star"), ParticleSet.read(searched)
    # The humanoid is nearly two-fold symmetric about z.
    mate = np.diag([-1.0, -1.0, 1.0])
    away = np.minimum(
        geodesic_degrees(found.rotation, truth.rotation),
        geodesic_degrees(found.rotation @ mate, truth.rotation),
    )
    assert np.median(away) < 6
    assert np.median(np.linalg.norm(found.shift_angstrom - truth.shift_angstrom, axis=1)) < 6
    before = StarDocument.read(folder / "particles.star")
    after = StarDocument.read(searched)
    labels = [label for label in before.blocks[-1].labels if label not in ANGLE_LABELS]
    labels = [label for label in labels if label not in SHIFT_LABELS]
    assert after.texts(after.blocks[-1], labels) == before.texts(before.blocks[-1], labels)
    assert not list(folder.glob(".found*"))


def test_images_are_cropped_to_what_is_searched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a large box the same poses are found on as few pixels as hold the resolution."""
    coarse = SETTINGS.model_copy(update={"max_resolution_angstrom": 60.0})
    arguments = (folder / "particles.star", folder / "map.mrc")
    whole = align_search(*arguments, tmp_path / "whole.star", coarse)
    monkeypatch.setattr(reach, "SMALL_BOX", 16)
    monkeypatch.setattr(reach, "LEAST_MARGIN", 1)
    inputs = read_search_inputs(*arguments, tmp_path / "narrow.star", coarse, 1)
    assert inputs.images.particles.box == len(inputs.volume) < inputs.particles.box
    narrow = align_search(*arguments, tmp_path / "narrow.star", coarse)
    found = [ParticleSet.read(one.path, datadir=folder).rotation for one in (whole, narrow)]
    assert np.median(geodesic_degrees(*found)) < 0.5


def test_columns_say_how_sure(searched: Path) -> None:
    """Confidence is a probability, margin and expected errors are positive, all finite."""
    document = StarDocument.read(searched)
    labels = [f"cryofocusPose{name}" for name in ("Confidence", "Margin", "AngleError")]
    values = document.numbers(document.blocks[-1], [*labels, "cryofocusPoseShiftError"])
    table = np.stack(list(values.values()))
    assert np.isfinite(table).all()
    assert (table >= 0).all()
    assert table[0].max() <= 1


def test_tables_without_poses_will_do(folder: Path, searched: Path, tmp_path: Path) -> None:
    """A table that never had angles and origins gets the same poses."""
    source = StarDocument.read(folder / "particles.star")
    bare = folder / "bare.star"
    source.write(bare, source.blocks[-1], {}, drop=[*ANGLE_LABELS, *SHIFT_LABELS])
    found = align_search(bare, folder / "map.mrc", tmp_path / "found.star", SETTINGS)
    expected = ParticleSet.read(searched, datadir=folder)
    again = ParticleSet.read(found.path, datadir=folder)
    np.testing.assert_array_equal(again.rotation, expected.rotation)


def test_resume_gives_the_same(
    folder: Path, searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that is killed between two checkpoints ends with the table it would have given."""
    monkeypatch.setattr(search_module, "LEAST_BETWEEN", 8)
    monkeypatch.setattr(search_module, "MOST_CHECKPOINTS", 3)
    find, calls = PoseSearch.find, []

    def fails(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 4:  # two of calibration, two of the search
            raise KeyboardInterrupt
        return find(*args, **options)  # type: ignore[arg-type]

    job = (folder / "particles.star", folder / "map.mrc", tmp_path / "found.star", SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(PoseSearch, "find", fails)
        with pytest.raises(Interrupted, match="with --resume continues"):
            align_search(*job)
    assert not job[2].exists()
    other = AlignSearchSettings(max_resolution_angstrom=50.0, angular_step_degrees=12.0)
    with pytest.raises(SettingError, match=r"max_resolution_angstrom was 45\.0, now 50\.0"):
        align_search(*job[:3], other, existing="resume")
    job[2].write_text("a table that the search was to replace")
    align_search(*job, existing="resume")
    assert job[2].read_text() == searched.read_text()
    with pytest.raises(OutputError, match="exists, and no unfinished search lies beside it"):
        align_search(*job, existing="resume")
    assert [path.name for path in tmp_path.iterdir()] == ["found.star"]


def test_noise_is_warned_of(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Images of nothing are searched without harm, and the log says that they may be noise."""
    pixels = read_volume(folder / "particles.mrcs").data
    noise = np.random.default_rng(2).normal(size=pixels.shape).astype(np.float32)
    write_volume(tmp_path / "particles.mrcs", noise, PIXEL)
    shutil.copy(folder / "particles.star", tmp_path)
    job = (tmp_path / "particles.star", folder / "map.mrc", tmp_path / "found.star", SETTINGS)
    with caplog.at_level("WARNING", logger="cryofocus"):
        made = align_search(*job)
    assert made.n_confident < 0.1 * N
    assert "the images may be noise, or show something other than the reference" in caplog.text


def refuse(folder: Path, error: type[CryofocusError], match: str, **changes: object) -> None:
    """Expect a message, and nothing written."""
    output = Path(str(changes.pop("output", folder / "refused.star")))
    reference = changes.pop("reference", folder / "map.mrc")
    table = changes.pop("table", folder / "particles.star")
    before = output.read_bytes() if output.exists() else None
    values = {"max_resolution_angstrom": 45.0, **changes}

    def search() -> None:
        align_search(str(table), str(reference), output, AlignSearchSettings(**values))  # type: ignore[arg-type]

    with pytest.raises(error, match=match):
        search()
    assert (output.read_bytes() if output.exists() else None) == before


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"max_resolution_angstrom": 0.0}, "max_resolution: found 0, expected a length above 0"),
        (
            {"max_resolution_angstrom": 200.0},
            r"200 Å leaves 3 Fourier shells of images of 420 Å; expected at least 5, which reach "
            r"105 Å. Give a finer --max-resolution",
        ),
        ({"angular_step_degrees": 60.0}, r"angular_step: found 60, expected 1 to 30 degrees"),
        (
            {"particle_diameter_angstrom": 60.0},
            r"particle_diameter: 60 Å, expected at least twice the resolution of 45 Å",
        ),
        (
            {"max_shift_angstrom": 300.0},
            "max_shift: found 300 Å, expected at most half of the box",
        ),
        ({"symmetry": "C0"}, "symmetry: found 'C0', expected a point group"),
    ],
)
def test_settings_out_of_range(folder: Path, changes: dict[str, object], match: str) -> None:
    """Each setting that cannot be used is refused with what it may be."""
    refuse(folder, SettingError, match, **changes)


def test_symmetry_that_the_map_lacks(folder: Path) -> None:
    """A group whose axes are not those of the map is refused with the measured correlation."""
    match = (
        r"map\.mrc: does not have the symmetry D2: turned by 180 degrees about \(1\.00, 0\.00, "
        r"0\.00\) it correlates with itself by 0\.[1-4]\d \(mean over Fourier coefficients to "
        r"45 Å\), expected at least 0\.6\. Give the --symmetry that the map has in RELION's axes"
    )
    refuse(folder, InputError, match, symmetry="D2")


def test_references_of_other_grids(folder: Path, tmp_path: Path) -> None:
    """A map of another box or voxel size, and one without density, are refused."""
    volume = read_volume(folder / "map.mrc").data
    write_volume(tmp_path / "box.mrc", volume[2:-2, 2:-2, 2:-2], PIXEL)
    write_volume(tmp_path / "voxel.mrc", volume, 2 * PIXEL)
    write_volume(tmp_path / "empty.mrc", np.zeros_like(volume), PIXEL)
    refuse(folder, CryofocusError, "a map of 20 x 20 x 20 voxels", reference=tmp_path / "box.mrc")
    refuse(folder, CryofocusError, r"voxels of 35\.0000 Å", reference=tmp_path / "voxel.mrc")
    refuse(folder, InputError, "the same value in every voxel", reference=tmp_path / "empty.mrc")


def test_outputs_that_are_taken(folder: Path, searched: Path) -> None:
    """Neither an existing table nor the particles' own is replaced, nor another format written."""
    refuse(folder, OutputError, "exists. Choose another name", output=searched)
    refuse(folder, OutputError, "is the table to read", output=folder / "particles.star")
    refuse(folder, SettingError, "expected a name that ends in .star", output=folder / "a.cs")


def test_copies_are_refused(folder: Path) -> None:
    """A set expanded by symmetry would get one pose for all copies of an image."""
    expand(folder / "particles.star", OperatorSet.point_group("C2"), folder / "copies.star")
    assert open_table(folder / "copies.star").n_rows == 2 * N
    match = r"stands in line \d+ and line \d+ with the same pose; expected every image once"
    refuse(folder, ParticleError, match, table=folder / "copies.star")
