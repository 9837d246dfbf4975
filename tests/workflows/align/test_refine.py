"""Refining the poses of a table: what is written, what is refused, and what is said."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.consensus import reach
from cryofocus.data.labels import ANGLE_LABELS, SHIFT_LABELS
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import InputError, OutputError, RegionError, SettingError
from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.maths.symmetry import PoseErrors, pose_errors
from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
from cryofocus.workflows.convert import convert
from cryofocus.workflows.simulate.humanoid import SimulatedSet

PIXEL = 17.5
ERROR_LABELS = ("cryofocusPoseAngleError", "cryofocusPoseShiftError", "cryofocusPoseGain")


@pytest.fixture(scope="session")
def folder(
    tmp_path_factory: pytest.TempPathFactory, simulate: Callable[..., SimulatedSet]
) -> Path:
    """Particles with poses that are off, their true poses, and the map of what they show."""
    made = simulate(
        particles=200, snr=2.0, seed=5, perturb_angle_degrees=4.0, perturb_shift_angstrom=20.0
    )
    folder = tmp_path_factory.mktemp("refined")
    for name in ("particles.star", "particles.mrcs", "truth.star"):
        shutil.copy(made.directory / name, folder)
    maps = [read_volume(path).data for path in sorted((made.directory / "maps").glob("*.mrc"))]
    write_volume(folder / "map.mrc", np.mean(maps, axis=0), PIXEL)
    return folder


def settings(folder: Path, **changes: object) -> AlignRefineSettings:
    """Settings that refine against the map."""
    return AlignRefineSettings(**{"reference": folder / "map.mrc", **changes})


def errors_of(folder: Path, table: Path) -> PoseErrors:
    """How far a table's poses are from the truth."""
    document = StarDocument.read(folder / "truth.star")
    columns = document.numbers(document.blocks[-1], [*ANGLE_LABELS, *SHIFT_LABELS])
    values = np.stack(list(columns.values()), axis=1)
    found = ParticleSet.read(table, datadir=folder)
    return pose_errors(
        (found.rotation, found.shift_angstrom), (rotation_from_euler(values[:, :3]), values[:, 3:])
    )


@pytest.fixture(scope="session")
def refined(folder: Path) -> Path:
    """The table refined against the map."""
    return align_refine(folder / "particles.star", folder / "fine.star", settings(folder)).path


def test_poses_get_better_and_rows_are_kept(folder: Path, refined: Path) -> None:
    """Errors shrink several times; other columns and the rows' order stay."""
    before, after = errors_of(folder, folder / "particles.star"), errors_of(folder, refined)
    assert np.median(after.angle_degrees) < 0.5 * np.median(before.angle_degrees)
    assert np.median(after.shift_angstrom) < 0.2 * np.median(before.shift_angstrom)
    given, fine = StarDocument.read(folder / "particles.star"), StarDocument.read(refined)
    labels = [
        label for label in given.blocks[-1].labels if label not in (*ANGLE_LABELS, *SHIFT_LABELS)
    ]
    assert fine.texts(fine.blocks[-1], labels) == given.texts(given.blocks[-1], labels)


def test_images_are_cropped_to_what_is_compared(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a large box poses are as good, against a map and in rounds, from fewer pixels."""
    for name, iterations in (("map", 0), ("rounds", 1)):
        coarse = settings(folder, max_resolution_angstrom=70.0, iterations=iterations, groups=1)
        found = []
        for box in (100, 16):
            monkeypatch.setattr(reach, "SMALL_BOX", box)
            monkeypatch.setattr(reach, "LEAST_MARGIN", 1)
            table = tmp_path / f"{name}{box}.star"
            align_refine(folder / "particles.star", table, coarse)
            found.append(np.median(errors_of(folder, table).angle_degrees))
        assert found[1] < 1.1 * found[0]


def test_columns_say_how_sure(folder: Path, refined: Path) -> None:
    """Errors to expect are near those made, gains mostly positive, everything finite."""
    document = StarDocument.read(refined)
    columns = document.numbers(document.blocks[-1], ERROR_LABELS)
    angle, shift, gain = (columns[label] for label in ERROR_LABELS)
    made = errors_of(folder, refined)
    assert 0.5 < np.median(made.angle_degrees) / np.median(angle) < 2
    assert 0.4 < np.median(made.shift_angstrom) / np.median(shift) < 2
    assert (gain > 0).mean() > 0.95
    assert np.isfinite([angle, shift, gain]).all()


def test_good_poses_raise_no_alarm(
    folder: Path, refined: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Poses that are good already stay, without a warning; where the images lie is said."""
    caplog.set_level("INFO")
    made = align_refine(refined, tmp_path / "again.star", settings(folder, datadir=folder))
    assert made.moved_degrees < 2
    assert "almost no orientation information" not in caplog.text
    assert f"add --datadir {folder}" in caplog.text


def test_own_half_maps_do_as_well(folder: Path, tmp_path: Path) -> None:
    """Without a reference the particles' own half maps bring the poses nearer to the truth."""
    made = align_refine(
        folder / "particles.star",
        tmp_path / "own.star",
        AlignRefineSettings(symmetry="C2", iterations=2, groups=1),
    )
    before, after = errors_of(folder, folder / "particles.star"), errors_of(folder, made.path)
    assert np.median(after.shift_angstrom) < 0.35 * np.median(before.shift_angstrom)
    assert np.median(after.angle_degrees) < 0.8 * np.median(before.angle_degrees)


def test_inverted_contrast_is_found(folder: Path, refined: Path, tmp_path: Path) -> None:
    """A map of the opposite sign gives the poses that the right one gives."""
    volume = read_volume(folder / "map.mrc")
    write_volume(tmp_path / "dark.mrc", -volume.data, PIXEL)
    made = align_refine(
        folder / "particles.star",
        tmp_path / "same.star",
        settings(folder, reference=tmp_path / "dark.mrc"),
    )
    ours, theirs = errors_of(folder, made.path), errors_of(folder, refined)
    np.testing.assert_allclose(ours.angle_degrees, theirs.angle_degrees, atol=0.1)


def test_a_mirrored_map_is_noticed(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A map of the other hand is refined against, and the warning says what to do."""
    volume = read_volume(folder / "map.mrc").data
    mirror = np.ascontiguousarray(np.roll(volume[::-1], 1, axis=0))
    write_volume(tmp_path / "mirror.mrc", mirror, PIXEL)
    with caplog.at_level(logging.WARNING):
        align_refine(
            folder / "particles.star",
            tmp_path / "other.star",
            settings(folder, reference=tmp_path / "mirror.mrc"),
        )
    assert "of the other hand than the poses. Mirror it, or search" in caplog.text


def test_noise_gives_low_confidence(
    simulate: Callable[..., SimulatedSet], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Images of noise: large errors to expect, a warning, and no NaN."""
    made = simulate(particles=120, noise_only=True, snr=0.05)
    with caplog.at_level(logging.WARNING):
        table = align_refine(
            made.directory / "particles.star",
            tmp_path / "noise.star",
            AlignRefineSettings(iterations=1, groups=1),
        )
    assert table.angle_error_degrees > 10
    document = StarDocument.read(table.path)
    labels = [*ANGLE_LABELS, *SHIFT_LABELS, *ERROR_LABELS]
    values = document.numbers(document.blocks[-1], labels)
    assert all(np.isfinite(column).all() for column in values.values())
    assert "almost no orientation information" in caplog.text


@pytest.mark.parametrize("name", ["particles.cs", "particles.cistem"])
def test_other_formats_keep_their_own_columns(
    folder: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Poses go into the columns of cryoSPARC and cisTEM; what has no place there is named."""
    caplog.set_level("INFO")
    convert(folder / "particles.star", tmp_path / name)
    shutil.copy(folder / "particles.mrcs", tmp_path)
    output = tmp_path / f"fine{Path(name).suffix}"
    made = align_refine(tmp_path / name, output, settings(folder, iterations=0))
    assert np.median(errors_of(folder, made.path).angle_degrees) < 3
    assert "the format has no place for cryofocusPoseAngleError" in caplog.text


def test_bad_input_is_refused(folder: Path, refined: Path, tmp_path: Path) -> None:
    """Each impossible request has its own message, and nothing is written."""
    table, output = folder / "particles.star", tmp_path / "out.star"
    volume = read_volume(folder / "map.mrc").data
    write_volume(tmp_path / "small.mrc", volume[2:-2, 2:-2, 2:-2], PIXEL)
    write_volume(tmp_path / "fine.mrc", volume, PIXEL / 2)
    write_volume(tmp_path / "flat.mrc", np.ones_like(volume), PIXEL)
    with pytest.raises(RegionError, match="a map of 20 x 20 x 20 voxels"):
        align_refine(table, output, settings(folder, reference=tmp_path / "small.mrc"))
    with pytest.raises(RegionError, match=r"voxels of 8.7500 Å"):
        align_refine(table, output, settings(folder, reference=tmp_path / "fine.mrc"))
    with pytest.raises(InputError, match="the same value in every voxel"):
        align_refine(table, output, settings(folder, reference=tmp_path / "flat.mrc"))
    with pytest.raises(InputError, match="does not have the symmetry O"):
        align_refine(table, output, settings(folder, symmetry="O"))
    with pytest.raises(SettingError, match="leaves fewer than 5 Fourier shells"):
        align_refine(table, output, settings(folder, max_resolution_angstrom=300.0))
    with pytest.raises(SettingError, match=r"max_resolution: found -3, expected a length"):
        settings(folder, max_resolution_angstrom=-3.0)
    with pytest.raises(SettingError, match="leaves nothing to refine against"):
        AlignRefineSettings(iterations=0)
    with pytest.raises(SettingError, match=r"expected a name that ends in \.star"):
        align_refine(table, tmp_path / "out.cs", settings(folder))
    with pytest.raises(OutputError, match="exists"):
        align_refine(table, refined, settings(folder))
    assert not output.exists()
