"""`fsc`: what is written, that it reads as RELION's files do, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maths.masks import sphere_mask
from cryofocus.report.figures.fsc import write_fsc_figures
from cryofocus.workflows.fsc import FscSettings, StoredCurves, class_numbers, fsc
from cryofocus.workflows.fsc_directions import CONES, ConeRow
from cryofocus.workflows.fsc_table import fsc_resolution_angstrom

BOX, VOXEL, ORIGIN = 24, 3.0, (-36.0, 0.0, 9.0)


@pytest.fixture
def maps(tmp_path: Path) -> dict[str, Path]:
    """Two half maps, a mask, and files that do not fit."""
    generator = np.random.default_rng(1)
    body = 2 * sphere_mask(BOX, VOXEL, (3, 0, -3), 9.0, 12.0)
    densities = {
        name: (body + generator.normal(0, 0.2, body.shape)).astype(np.float32)
        for name in ("half1", "half2")
    }
    densities["mask"] = sphere_mask(BOX, VOXEL, (0, 0, 0), 18.0, 9.0)
    densities["empty"] = np.zeros_like(body)
    paths = {name: tmp_path / f"{name}.mrc" for name in densities}
    for name, density in densities.items():
        write_volume(paths[name], density, VOXEL, ORIGIN)
    paths["coarse"] = tmp_path / "coarse.mrc"
    write_volume(paths["coarse"], body, 2 * VOXEL)
    paths["nan"] = tmp_path / "nan.mrc"
    write_volume(paths["nan"], np.full_like(body, np.nan), VOXEL)
    return paths


def test_everything_at_once(tmp_path: Path, maps: dict[str, Path]) -> None:
    """Curves, directions and local resolution agree with each other and lie in the map's frame."""
    settings = FscSettings(mask=maps["mask"], directional=True, local=True)
    result = fsc(maps["half1"], maps["half2"], tmp_path / "out", settings)
    document = StarDocument.read(tmp_path / "out" / "fsc.star")
    labels = [
        "rlnAngstromResolution",
        "rlnFourierShellCorrelationCorrected",
        "rlnFourierShellCorrelationUnmaskedMaps",
        "rlnFourierShellCorrelationMaskedMaps",
        "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps",
    ]
    table = document.numbers(document.block("fsc"), labels)
    assert len(table[labels[0]]) == BOX // 2 + 1
    assert table[labels[0]][2] == pytest.approx(BOX * VOXEL / 2)
    np.testing.assert_allclose(table[labels[1]], result.curves.corrected, atol=1e-5)
    general = document.numbers(document.block("general"), ["rlnFinalResolution"])
    said = result.summary().splitlines()
    assert [line.split()[0] for line in said] == ["Resolution", "Directions", "Local"]
    assert f"{result.resolution_angstrom:.2f} Å at FSC 0.143" in said[0]
    assert general["rlnFinalResolution"][0] == pytest.approx(result.resolution_angstrom, rel=1e-4)
    assert 2 * VOXEL < result.resolution_angstrom < result.resolution_half_angstrom
    with (tmp_path / "out" / "directional.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 500
    assert sum(float(rows[7][axis]) ** 2 for axis in "xyz") == pytest.approx(1, abs=1e-6)
    cones = ConeRow.read(tmp_path / "out" / CONES)
    assert len(cones) == BOX // 2 + 1
    for row in cones:
        assert row.lowest <= row.low <= row.high <= row.highest
        assert row.lowest <= min(row.mean, row.best, row.worst)
        assert max(row.mean, row.best, row.worst) <= row.highest
    stored = StoredCurves.read(tmp_path / "out")
    assert stored.curves.masked is not None
    assert stored.crossing_angstrom(0.143) == pytest.approx(result.resolution_angstrom, rel=1e-4)
    assert result.anisotropy is not None
    assert result.anisotropy.best_angstrom <= result.anisotropy.worst_angstrom
    assert 0.7 < result.anisotropy.sphericity <= 1
    assert result.local_range_angstrom is not None
    local = read_volume(tmp_path / "out" / "local_resolution.mrc")
    assert local.origin_angstrom == pytest.approx(ORIGIN)
    assert local.data.min() >= 2 * VOXEL * 0.999
    assert (tmp_path / "out" / "locally_filtered.mrc").exists()
    names = [path.name for path in write_fsc_figures(result)]
    assert names == ["fsc.png", "directional.png"]


def test_no_resolution_where_the_curve_does_not_cross(
    tmp_path: Path, maps: dict[str, Path]
) -> None:
    """Maps alike to the last shell, and maps of noise, have no resolution; it is said why."""
    shape = read_volume(maps["half1"]).data.shape
    one, other = np.random.default_rng(4).normal(0, 1, (2, *shape)).astype(np.float32)
    first = tmp_path / "first.mrc"
    write_volume(first, one, VOXEL, ORIGIN)
    for name, density, words in (
        ("alike", one + np.float32(0.5) * other, "the curve stays above it to the last shell"),
        ("unlike", np.float32(0.5) * other - one, "half maps agree no better than noise"),
        ("noise", other, "half maps agree no better than noise, nothing is resolved"),
    ):
        path = tmp_path / f"{name}.mrc"
        write_volume(path, density, VOXEL, ORIGIN)
        result = fsc(first, path, tmp_path / name)
        assert not result.crosses(0.143)
        assert words in result.say_resolution(0.143)
        assert words in result.summary()
        assert StoredCurves.read(result.folder).say_resolution(0.143) == result.say_resolution(
            0.143
        )


def test_without_a_mask_there_is_one_curve(tmp_path: Path, maps: dict[str, Path]) -> None:
    """Unmasked maps need no correction; nothing that was not asked for is written."""
    result = fsc(maps["half1"], maps["half2"], tmp_path / "out")
    np.testing.assert_array_equal(result.curves.corrected, result.curves.unmasked)
    assert (result.curves.masked, result.curves.randomised) == (None, None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"fsc.star", "fsc.xml"}
    assert [path.name for path in write_fsc_figures(result)] == ["fsc.png"]


Measure = Callable[[Path, dict[str, Path]], object]
BAD: dict[str, tuple[Measure, str]] = {
    "one map twice": (
        lambda d, m: fsc(m["half1"], m["half1"], d / "out"),
        r"half1\.mrc and .*half1\.mrc: the FSC is 1 in every shell, so they are the same map; "
        "expected two half maps from different particles",
    ),
    "other voxels": (
        lambda d, m: fsc(m["half1"], m["coarse"], d / "out"),
        r"coarse\.mrc: voxels of 6\.0000 Å, but .*half1\.mrc has 3\.0000 Å",
    ),
    "NaN": (
        lambda d, m: fsc(m["nan"], m["half1"], d / "out"),
        r"nan\.mrc: 13824 voxels are NaN or infinite",
    ),
    "empty mask": (
        lambda d, m: fsc(m["half1"], m["half2"], d / "out", FscSettings(mask=m["empty"])),
        r"empty\.mrc: empty \(largest value 0\)",
    ),
    "map for a mask": (
        lambda d, m: fsc(m["half1"], m["half2"], d / "out", FscSettings(mask=m["half1"])),
        r"half1\.mrc: values from .* expected a mask from 0 to 1",
    ),
    "a file": (
        lambda d, m: fsc(m["half1"], m["half2"], m["mask"]),
        r"mask\.mrc: already exists",
    ),
    "taken": (
        lambda d, m: fsc(m["half1"], m["half2"], d),
        "already exists; choose another directory with -o",
    ),
}


@pytest.mark.parametrize(("measure", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(tmp_path: Path, maps: dict[str, Path], measure: Measure, message: str) -> None:
    """What cannot be measured is refused with one message, and nothing is written."""
    before = {path: path.read_bytes() for path in maps.values()}
    with pytest.raises(CryofocusError, match=message):
        measure(tmp_path, maps)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_window_has_to_fit(tmp_path: Path, maps: dict[str, Path]) -> None:
    """A window wider than the box is refused; one that fits is used."""
    settings = FscSettings(local=True, window_angstrom=100)
    with pytest.raises(CryofocusError, match="window: found 100 Å, expected 36 to 72 Å"):
        fsc(maps["half1"], maps["half2"], tmp_path / "wide", settings)
    settings = FscSettings(local=True, window_angstrom=36)
    assert fsc(maps["half1"], maps["half2"], tmp_path / "out", settings).local_range_angstrom


def test_the_curve_for_a_deposition(tmp_path: Path, maps: dict[str, Path]) -> None:
    """fsc.xml holds the curve of fsc.star, with frequencies in 1/Å."""
    result = fsc(maps["half1"], maps["half2"], tmp_path / "out")
    curve = ElementTree.parse(tmp_path / "out" / "fsc.xml").getroot()
    assert curve.attrib["xaxis"] == "Resolution (A-1)"
    x, y = ([float(c.findtext(axis, "")) for c in curve.iter("coordinate")] for axis in "xy")
    np.testing.assert_allclose(x, np.arange(len(x)) / (BOX * VOXEL), atol=1e-6)
    np.testing.assert_allclose(y, result.curves.corrected, atol=1e-6)


def test_maps_of_two_classes_are_no_half_maps(
    tmp_path: Path, maps: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """That two maps are named as two classes of one run is said; half maps of one are none."""
    named = [tmp_path / "class001.mrc", tmp_path / "class002.mrc"]
    for path, half in zip(named, ("half1", "half2"), strict=True):
        path.write_bytes(maps[half].read_bytes())
    fsc(*named, tmp_path / "out")
    assert "named as maps of classes 1 and 2" in caplog.text
    assert class_numbers(Path("class001_half1.mrc"), Path("class001_half2.mrc")) is None
    assert class_numbers(Path("a/class001.mrc"), Path("b/class002.mrc")) is None
    assert class_numbers(Path("half1.mrc"), Path("class002.mrc")) is None


def test_runs_say_the_same_resolution(tmp_path: Path, maps: dict[str, Path]) -> None:
    """What `classify` and `reconstruct` say of half maps is what `fsc` says, between two shells;
    half maps of noise have none."""
    measured = fsc(maps["half1"], maps["half2"], tmp_path / "out")
    curve, resolution = measured.curves.unmasked, measured.resolution_angstrom
    assert BOX * VOXEL / resolution % 1 > 0.01
    assert fsc_resolution_angstrom(curve, BOX, VOXEL) == pytest.approx(resolution, rel=1e-6)
    noise = np.random.default_rng(7).normal(0, 0.02, len(curve))
    assert fsc_resolution_angstrom(noise, BOX, VOXEL) == BOX * VOXEL
