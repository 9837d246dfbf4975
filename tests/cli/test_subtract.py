"""`cryofocus subtract` on the command line: one clear message for whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.mask import FocusMask
from cryofocus.data.volume import write_volume

BOX, PIXEL = 24, 17.5
Invoke = Callable[..., Any]


@pytest.fixture
def keep(particle_set: Path, focus: str) -> Path:
    """A mask around the arm, beside the particles."""
    sphere = tuple(float(number) for number in focus.split(","))
    mask = FocusMask.from_sphere(sphere, BOX, PIXEL, soft_edge_angstrom=20.0)
    path = particle_set / "keep.mrc"
    write_volume(path, mask.data, PIXEL)
    return path


def constant(path: Path, value: float, box: int = BOX, voxel: float = PIXEL) -> Path:
    """Write a volume of one value."""
    write_volume(path, np.full((box,) * 3, value, np.float32), voxel)
    return path


def test_subtract_and_revert(
    particle_set: Path, keep: Path, tmp_path: Path, cryofocus: Invoke
) -> None:
    """A set is cut and subtracted, with its picture; its table leads back."""
    table, output = particle_set / "particles.star", tmp_path / "sub"
    options = ("--recenter", "--box", "12", "--float16", "--threads", "2")
    done = cryofocus("subtract", table, "--keep", keep, "-o", output, *options)
    assert done.exit_code == 0, done.output
    assert f"Particles  {output / 'particles.star'}, 60 images" in done.stdout
    assert "Power by frequency" in (output / "report.html").read_text()
    back = tmp_path / "intact.star"
    done = cryofocus("subtract", output / "particles.star", "--revert", "-o", back)
    assert done.exit_code == 0, done.output
    assert "60 particles with their intact images" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--box", "12"], "box: images are cut around the mask only. Add --recenter"),
        (["--recenter"], "recenter: needs the edge of the images to cut. Add --box N"),
        (["--recenter", "--box", "13"], "box: found 13, expected an even number of pixels"),
        (["--recenter", "--box", "26"], "box: found 26, but the images have 24 pixels"),
        (["--recenter", "--box", "4"], "box: 4 pixels do not hold the mask, which reaches"),
        (
            ["--recenter", "--box", "24"],
            "beyond the edge of the image, in 59 of 60 particles. Give --box 12",
        ),
        (["--half2", "other.mrc"], "half2: given without a first half map"),
    ],
)
def test_options_that_do_not_fit(
    particle_set: Path,
    keep: Path,
    tmp_path: Path,
    cryofocus: Invoke,
    options: list[str],
    message: str,
) -> None:
    """Options that contradict each other or the images are refused before any work."""
    table, output = particle_set / "particles.star", tmp_path / "sub"
    done = cryofocus("subtract", table, "--keep", keep, "-o", output, *options)
    assert done.exit_code == 2
    assert done.stderr.count("Error: ") == 1
    assert message in done.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("value", "grid", "message"),
    [
        (1.0, (BOX, PIXEL), "keeps everything, so there is nothing to subtract"),
        (0.0, (BOX, PIXEL), "empty (largest value 0); expected a region that reaches 1"),
        (1.0, (20, PIXEL), "a mask of 20 x 20 x 20 voxels, but the particles have 24 x 24 pixels"),
        (1.0, (BOX, 4.0), "voxels of 4.0000 Å, but the particles have pixels of 17.5000 Å"),
        (7.0, (BOX, PIXEL), "values from 7 to 7; expected a mask from 0 to 1"),
    ],
)
def test_masks_that_do_not_fit(
    particle_set: Path,
    tmp_path: Path,
    cryofocus: Invoke,
    value: float,
    grid: tuple[int, float],
    message: str,
) -> None:
    """A mask that keeps all or nothing, or lies on another grid, is refused by name."""
    mask = constant(tmp_path / "mask.mrc", value, *grid)
    done = cryofocus(
        "subtract", particle_set / "particles.star", "--keep", mask, "-o", tmp_path / "sub"
    )
    assert done.exit_code == 2
    assert f"Error: {mask}: {message}" in done.stderr
    assert not (tmp_path / "sub").exists()


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ((20, PIXEL), "a map of 20 x 20 x 20 voxels, but the particles have 24 x 24 pixels"),
        ((BOX, 4.0), "voxels of 4.0000 Å, but the particles have pixels of 17.5000 Å"),
    ],
)
def test_maps_that_do_not_fit(
    particle_set: Path,
    keep: Path,
    tmp_path: Path,
    cryofocus: Invoke,
    grid: tuple[int, float],
    message: str,
) -> None:
    """A map on another grid than the particles is refused by name."""
    volume = constant(tmp_path / "map.mrc", 1.0, *grid)
    table = particle_set / "particles.star"
    done = cryofocus("subtract", table, "--keep", keep, "--map", volume, "-o", tmp_path / "sub")
    assert done.exit_code == 2
    assert f"Error: {volume}: {message}" in done.stderr


def test_a_map_inside_the_mask_leaves_nothing(
    particle_set: Path, keep: Path, tmp_path: Path, cryofocus: Invoke
) -> None:
    """A map whose density the mask keeps altogether is refused: nothing would be subtracted."""
    volume = constant(tmp_path / "map.mrc", 0.0)
    table = particle_set / "particles.star"
    done = cryofocus("subtract", table, "--keep", keep, "--map", volume, "-o", tmp_path / "sub")
    assert done.exit_code == 2
    assert f"Error: {keep}: the map holds no density outside this mask" in done.stderr


def test_revert_of_an_intact_set(
    particle_set: Path, keep: Path, tmp_path: Path, cryofocus: Invoke
) -> None:
    """A table that was never subtracted leads nowhere, and other options do not go with it."""
    table, back = particle_set / "particles.star", tmp_path / "back.star"
    done = cryofocus("subtract", table, "--revert", "-o", back)
    assert done.exit_code == 2
    assert f"Error: {table}: no column cryofocusIntactImageName" in done.stderr
    done = cryofocus("subtract", table, "--revert", "--keep", keep, "-o", back)
    assert done.exit_code == 2
    assert "leave the other options out" in done.stderr
    done = cryofocus("subtract", table, "-o", tmp_path / "sub")
    assert done.exit_code == 2
    assert "missing; give the mask of what stays" in done.stderr
    assert not back.exists()
