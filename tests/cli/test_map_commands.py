"""The map tools from the command line: what they print, and their options that contradict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.volume import write_volume
from cryofocus.maths.masks import sphere_mask

Invoke = Callable[..., Any]
BOX, VOXEL = 24, 3.0


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """A folder of half maps of a body with and without a part, in a frame that starts at -36 Å."""
    generator = np.random.default_rng(1)
    body = sphere_mask(BOX, VOXEL, (0, 0, 0), 12.0, 9.0)
    more = body + sphere_mask(BOX, VOXEL, (15, -9, 0), 3.0, 6.0)
    for name, density in (("body", body), ("more", more)):
        for part in ("", "_half1", "_half2"):
            noise = generator.normal(0, 0.05, body.shape) if part else np.zeros(body.shape)
            path = tmp_path / f"{name}{part}.mrc"
            write_volume(path, (density + noise).astype(np.float32), VOXEL, (-36.0,) * 3)
    return tmp_path


def test_masks(cryofocus: Invoke, maps: Path) -> None:
    """Shapes may lie at negative coordinates, markers are spheres; the share inside is printed."""
    made = cryofocus(
        "mask", "sphere", "-3,0,0,15", "--like", maps / "body.mrc", "-o", maps / "a.mrc"
    )
    assert made.exit_code == 0
    assert made.stdout.startswith(f"Mask   {maps / 'a.mrc'}, ")
    assert "% of the map's positive density" in made.stdout
    shape = ("mask", "ellipsoid", "-3,0,0,15,15,9", "--like", maps / "body.mrc")
    assert cryofocus(*shape, "-o", maps / "e.mrc").stdout.startswith(f"Mask   {maps / 'e.mrc'}, ")
    marker = '<marker_set><marker id="1" x="-3" y="0" z="0" radius="15"/></marker_set>'
    (maps / "m.cmm").write_text(marker, encoding="utf-8")
    shape = ("mask", "sphere", "--markers", maps / "m.cmm", "--like", maps / "body.mrc")
    assert cryofocus(*shape, "-o", maps / "c.mrc").exit_code == 0
    assert (maps / "c.mrc").read_bytes()[1024:] == (maps / "a.mrc").read_bytes()[1024:]
    made = cryofocus("mask", "threshold", maps / "body.mrc", "--level", "2", "-o", maps / "b.mrc")
    assert (made.exit_code, made.stdout) == (2, "")
    assert "no density at level 2; the map reaches 1" in made.stderr


def test_diffmap_and_merge(cryofocus: Invoke, maps: Path) -> None:
    """The peak and its place in the map's frame are printed; differences are merged."""
    halves = [maps / f"{name}_half{half}.mrc" for name in ("more", "body") for half in (1, 2)]
    pair = (maps / "more.mrc", maps / "body.mrc")
    made = cryofocus("diffmap", *pair, "-o", maps / "d.mrc", "--halves", *halves)
    assert made.exit_code == 0
    assert f"Significance   {maps / 'd_significance.mrc'}" in made.stdout
    assert " at 15.0, -9.0, 0.0 Å; " in made.stdout
    merged = cryofocus("merge", maps / "d.mrc", "-o", maps / "m.mrc", "--absolute")
    assert (merged.exit_code, merged.stdout) == (0, f"Merged   {maps / 'm.mrc'}\n")


def test_fsc(cryofocus: Invoke, maps: Path) -> None:
    """Everything that was asked for is summed up in a line each, and the figures are named."""
    pair = (maps / "body_half1.mrc", maps / "body_half2.mrc")
    made = cryofocus("fsc", *pair, "--directional", "--local", "-o", maps / "out")
    assert made.exit_code == 0
    words = [line.split()[0] for line in made.stdout.splitlines()]
    assert words == [*("Resolution", "Directions", "Local", "Figure", "Figure"), "Report"]


def test_fit(cryofocus: Invoke, maps: Path) -> None:
    """Rotation, shift and correlation are printed with the files that hold them."""
    made = cryofocus(
        "fit", maps / "more.mrc", "--to", maps / "more.mrc", "--local", "-o", maps / "f.mrc"
    )
    assert made.exit_code == 0
    assert "Rotation      0.00°" in made.stdout
    assert "Correlation   1.0000, before 1.0000" in made.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mask", "sphere", "1,2,3", "--like", "m", "-o", "x"], "expected four numbers in Å"),
        (["mask", "sphere", "--like", "m", "-o", "x"], "found neither of X,Y,Z,R and --markers"),
        (
            ["mask", "sphere", "1,2,3,4", "--markers", "c", "--like", "m", "-o", "x"],
            "found both of X,Y,Z,R and --markers, expected one",
        ),
        (
            ["mask", "ellipsoid", "1,2,3,4", "--like", "m", "-o", "x"],
            "expected six numbers in Å, such as 142,118,97,30,30,50",
        ),
        (["mask", "model", "m", "--residues", "a", "--like", "m", "-o", "x"], "such as 10-50,60"),
        (["diffmap", "a", "b", "--against", "pairs", "-o", "x"], "compares the maps of a run"),
        (["diffmap", "a", "-o", "x", "--halves", *"abcd"], "a run has its own half maps"),
        (["fsc", "a", "b", "--window", "9", "-o", "x"], "belongs to --local"),
    ],
)
def test_wrong_usage(cryofocus: Invoke, arguments: list[str], message: str) -> None:
    """Options that mean nothing together, or cannot be read, are refused before files are."""
    made = cryofocus(*arguments)
    assert (made.exit_code, made.stdout) == (2, "")
    assert message in " ".join(made.stderr.split())


def test_differences_of_two_runs(cryofocus: Invoke, tmp_path: Path) -> None:
    """Two folders, or a folder and a map, are refused with both ways there are."""
    runs = [tmp_path / "one", tmp_path / "other"]
    for run in runs:
        run.mkdir()
    map_file = tmp_path / "class001.mrc"
    map_file.touch()
    for pair, said in ((runs, "are folders"), ([runs[0], map_file], "is a folder")):
        made = cryofocus("diffmap", *pair, "-o", tmp_path / "out")
        assert (made.exit_code, made.stdout) == (2, "")
        message = " ".join(made.stderr.replace("│", " ").split())
        assert said in message
        assert "expected one run directory, or two maps, such as class001.mrc of each" in message
        assert "diffmap RUN --beside OTHER/differences" in message
        assert not (tmp_path / "out").exists()
