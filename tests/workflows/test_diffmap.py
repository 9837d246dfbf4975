"""Difference maps from files and of a run."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError, InputError
from cryofocus.maths.masks import sphere_mask
from cryofocus.workflows.diffmap import (
    DiffmapSettings,
    diffmap,
    diffmap_run,
    merge,
    merged_beside,
    significance_path,
)
from cryofocus.workflows.run.directory import RunDirectory

BOX, VOXEL, ORIGIN = 24, 3.0, (-30.0, 12.0, 6.0)
ADDED = (9.0, -12.0, 6.0)


@pytest.fixture
def maps(tmp_path: Path) -> dict[str, Path]:
    """A body, the same with a part added, half maps of both, and what does not fit them."""
    generator = np.random.default_rng(1)
    body = sphere_mask(BOX, VOXEL, (0, 0, 0), 20.0, 8.0)
    densities = {"body": body, "more": body + sphere_mask(BOX, VOXEL, ADDED, 5.0, 6.0)}
    for name in list(densities):
        for half in (1, 2):
            noise = generator.normal(0, 0.02, body.shape).astype(np.float32)
            densities[f"{name}_half{half}"] = densities[name] + noise
    densities["empty"] = np.zeros_like(body)
    paths = {name: tmp_path / f"{name}.mrc" for name in densities}
    for name, density in densities.items():
        write_volume(paths[name], density, VOXEL, ORIGIN)
    paths["small"] = tmp_path / "small.mrc"
    write_volume(paths["small"], body[:20, :20, :20], VOXEL)
    paths["coarse"] = tmp_path / "coarse.mrc"
    write_volume(paths["coarse"], body, 2 * VOXEL)
    paths["oblong"] = tmp_path / "oblong.mrc"
    write_volume(paths["oblong"], body[:20], VOXEL)
    paths["nan"] = tmp_path / "nan.mrc"
    write_volume(paths["nan"], np.where(body > 0.5, np.float32(np.nan), body), VOXEL)
    return paths


def test_difference_in_the_frame_of_the_maps(tmp_path: Path, maps: dict[str, Path]) -> None:
    """The peak is where the part was added, in the map's frame; the file has the map's origin."""
    made = diffmap(maps["more"], maps["body"], tmp_path / "d.mrc")
    centre = np.array(ORIGIN) + (BOX // 2) * VOXEL
    np.testing.assert_allclose(made.peak_angstrom, centre + ADDED, atol=VOXEL * 1.01)
    assert read_volume(made.path).origin_angstrom == pytest.approx(ORIGIN)
    assert (made.significance, made.peak.significance) == (None, None)
    assert made.resolution_angstrom == pytest.approx(2 * VOXEL)


def test_half_maps_bring_the_significance(tmp_path: Path, maps: dict[str, Path]) -> None:
    """With half maps there is a map of standard errors; the resolution asked for is kept."""
    halves = [maps[f"{name}_half{half}"] for name in ("more", "body") for half in (1, 2)]
    settings = DiffmapSettings(max_resolution_angstrom=9.0)
    made = diffmap(maps["more"], maps["body"], tmp_path / "d.mrc", settings, halves=halves)
    assert made.significance == tmp_path / "d_significance.mrc"
    z = read_volume(made.significance).data
    assert made.peak.significance == pytest.approx(z.max())
    assert z.max() > 10
    assert made.resolution_angstrom >= 9.0


def test_significance_maps_are_not_merged(tmp_path: Path, maps: dict[str, Path]) -> None:
    """Standard errors are no density: a significance map among the maps is refused."""
    path = significance_path(tmp_path / "pair.mrc")
    path.write_bytes(next(iter(maps.values())).read_bytes())
    with pytest.raises(InputError, match=r"pair_significance\.mrc: holds standard errors, not"):
        merge([path], tmp_path / "merged.mrc")
    assert not (tmp_path / "merged.mrc").exists()


def test_merged_maps(tmp_path: Path, maps: dict[str, Path]) -> None:
    """The merged file is the voxelwise maximum of both directions."""
    first = diffmap(maps["more"], maps["body"], tmp_path / "a.mrc").path
    second = diffmap(maps["body"], maps["more"], tmp_path / "b.mrc").path
    merged = read_volume(merge([first, second], tmp_path / "m.mrc"))
    a, b = read_volume(first).data, read_volume(second).data
    np.testing.assert_array_equal(merged.data, np.maximum(np.maximum(a, b), 0))


BAD: dict[str, tuple[Callable[[Path, dict[str, Path]], object], str]] = {
    "other box": (
        lambda d, m: diffmap(m["body"], m["small"], d / "d.mrc"),
        r"small\.mrc: a box of 20 voxels, but .*body\.mrc has 24; expected one grid",
    ),
    "other voxels": (
        lambda d, m: diffmap(m["body"], m["coarse"], d / "d.mrc"),
        r"coarse\.mrc: voxels of 6\.0000 Å, but .*body\.mrc has 3\.0000 Å; expected one grid",
    ),
    "no cube": (
        lambda d, m: diffmap(m["oblong"], m["body"], d / "d.mrc"),
        r"oblong\.mrc: 24 x 24 x 20 voxels; expected as many along each axis",
    ),
    "NaN": (
        lambda d, m: diffmap(m["body"], m["nan"], d / "d.mrc"),
        r"nan\.mrc: \d+ voxels are NaN or infinite",
    ),
    "empty mask": (
        lambda d, m: diffmap(m["body"], m["more"], d / "d.mrc", DiffmapSettings(mask=m["empty"])),
        r"empty\.mrc: empty \(largest value 0\); expected a region that reaches 1",
    ),
    "three half maps": (
        lambda d, m: diffmap(m["body"], m["more"], d / "d.mrc", halves=[m["body"]] * 3),
        "halves: found 3 maps, expected four",
    ),
    "taken": (
        lambda d, m: diffmap(m["body"], m["more"], m["body"]),
        r"body\.mrc: exists\. Choose another name with -o",
    ),
    "no folder": (
        lambda d, m: merge([m["body"]], d / "none" / "m.mrc"),
        r"none: no such folder\. Make it",
    ),
    "nothing to merge": (lambda d, m: merge([], d / "d.mrc"), "merge: found no map"),
    "no run": (
        lambda d, m: diffmap_run(d, d / "out"),
        r"not a run of cryofocus \(it holds neither job\.json nor checkpoint\.npz\)",
    ),
    "no directory": (
        lambda d, m: diffmap_run(m["body"], d / "out"),
        r"body\.mrc: a file, no directory\. Give the run directory",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(
    tmp_path: Path,
    maps: dict[str, Path],
    make: Callable[[Path, dict[str, Path]], object],
    message: str,
) -> None:
    """Maps that cannot be compared are refused with one message, and nothing is written."""
    before = {path: path.read_bytes() for path in maps.values()}
    with pytest.raises(CryofocusError, match=message):
        make(tmp_path, maps)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_classes_against_the_consensus(tmp_path: Path, finished: RunDirectory) -> None:
    """A class minus the consensus: one map and one row a class, and their maximum."""
    made = diffmap_run(finished.path, tmp_path / "out")
    names = [f"class{k:03d}_minus_consensus.mrc" for k in (1, 2)]
    assert [entry.path.name for entry in made.differences] == names
    with made.table.open() as table:
        rows = list(csv.DictReader(table))
    assert [row["map"] for row in rows] == names
    assert float(rows[0]["peak_significance"]) > 4
    z, y, x = made.differences[0].peak.index
    density = read_volume(made.differences[0].path).data
    assert density[z, y, x] == pytest.approx(float(rows[0]["peak_density"]), rel=1e-6)


def test_all_pairs_in_one_map(tmp_path: Path, finished: RunDirectory) -> None:
    """Every ordered pair of classes is compared; merged.mrc is the maximum of all of them."""
    made = diffmap_run(finished.path, tmp_path / "out", against="pairs")
    data = [read_volume(entry.path).data for entry in made.differences]
    assert [entry.path.name for entry in made.differences] == [
        "class001_minus_class002.mrc",
        "class002_minus_class001.mrc",
    ]
    expected = np.maximum(np.maximum(data[0], data[1]), 0)
    np.testing.assert_array_equal(read_volume(made.merged).data, expected)
    inside = read_volume(finished.focus_mask).data > 0.5
    for entry in made.differences:
        assert inside[entry.peak.index]


def test_differences_of_another_run_beside(tmp_path: Path, finished: RunDirectory) -> None:
    """Their merged map on the same grid is found; a folder of something else, another grid not."""
    other = diffmap_run(finished.path, tmp_path / "other")
    assert merged_beside(finished.path, tmp_path / "other") == other.merged
    with pytest.raises(InputError, match=r"holds no differences\.csv; expected the directory"):
        merged_beside(finished.path, tmp_path)
    write_volume(other.merged, np.zeros((20, 20, 20), np.float32), VOXEL)
    with pytest.raises(InputError, match="expected one grid"):
        merged_beside(finished.path, tmp_path / "other")


def test_results_are_not_replaced_unasked(tmp_path: Path, finished: RunDirectory) -> None:
    """A directory that exists is left alone; with overwrite, if it holds difference maps."""
    (tmp_path / "notes").mkdir()
    with pytest.raises(CryofocusError, match="already exists"):
        diffmap_run(finished.path, tmp_path / "notes")
    with pytest.raises(CryofocusError, match=r"not a set of difference maps \(it holds no diff"):
        diffmap_run(finished.path, tmp_path / "notes", overwrite=True)
    for _ in range(2):
        made = diffmap_run(finished.path, tmp_path / "out", overwrite=True)
    assert made.table.exists()


def test_unfinished_run_is_refused(tmp_path: Path, finished: RunDirectory) -> None:
    """Without job.json there are no results to compare."""
    run = RunDirectory(Path(shutil.copytree(finished.path, tmp_path / "run")))
    run.job.unlink()
    with pytest.raises(CryofocusError, match="this run is unfinished"):
        diffmap_run(run.path, tmp_path / "out")
