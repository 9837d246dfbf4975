"""`subtract`: images without the density outside a mask, for any program, and the way back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from cryofocus.data.formats import open_table
from cryofocus.data.images import ImageReader
from cryofocus.data.mask import FocusMask
from cryofocus.data.mrc import read_header
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError, ParticleError
from cryofocus.execution.monitor import Advance
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.grids import cut_cube
from cryofocus.maths.shells import fourier_shell_correlation
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.convert import ConvertSettings, convert
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.reconstruct import reconstruct
from cryofocus.workflows.run import writing as atomic
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from cryofocus.workflows.subtract.inputs import SubtractSettings
from cryofocus.workflows.subtract.run import SubtractedSet, subtract
from cryofocus.workflows.subtract.table import revert

BOX, PIXEL = 24, 17.5
CUT = SubtractSettings(recenter=True, box=12)
MakeRequest = Callable[..., ClassifyRequest]


@dataclass(frozen=True)
class Source:
    """A simulated set, the mask around its arm, and the set without what is outside."""

    table: Path
    keep: Path
    subtracted: SubtractedSet


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_set: SimulatedSet) -> Source:
    """The small set, subtracted with its own half maps; tests must not change it."""
    folder = tmp_path_factory.mktemp("subtract")
    sphere = tuple(map(float, small_set.focus_sphere.split(",")))
    mask = FocusMask.from_sphere(sphere, BOX, PIXEL, soft_edge_angstrom=20.0)
    write_volume(folder / "keep.mrc", mask.data, PIXEL)
    table = small_set.directory / "particles.star"
    made = subtract(table, folder / "keep.mrc", folder / "sub")
    return Source(table, folder / "keep.mrc", made)


@pytest.fixture(scope="module")
def cut(source: Source) -> SubtractedSet:
    """The small set, subtracted and cut around the arm; tests must not change it."""
    return subtract(source.table, source.keep, source.keep.parent / "cut", CUT)


def pixels_of(table: Path) -> np.ndarray:
    """All images of a table."""
    particles = ParticleSet.read(table)
    return ImageReader(particles).read(np.arange(len(particles)))


def texts_of(table: Path, label: str) -> list[str]:
    """A column of the particle table."""
    document = StarDocument.read(table)
    block = document.block_with("rlnImageName")
    assert block is not None
    return document.texts(block, [label])[label]


def reconstructed(table: Path, output: Path) -> np.ndarray:
    """The map of a table."""
    return read_volume(reconstruct(table, output).path).data


def test_density_outside_goes_and_the_kept_stays(source: Source, tmp_path: Path) -> None:
    """The map of the subtracted images is empty outside the mask and as it was inside."""
    before = reconstructed(source.table, tmp_path / "before.mrc")
    after = reconstructed(source.subtracted.table, tmp_path / "after.mrc")
    keep = read_volume(source.keep).data
    inside, outside = keep > 0.99, keep < 0.01
    assert np.square(after[outside]).sum() < 0.05 * np.square(before[outside]).sum()
    assert np.corrcoef(after[inside], before[inside])[0, 1] > 0.97
    assert source.subtracted.removed_share > 0.9


def test_table_and_files_are_complete(source: Source) -> None:
    """Rows, poses and optics stay; images are the new ones; everything in README.txt is there."""
    made, before = source.subtracted, ParticleSet.read(source.table)
    after = ParticleSet.read(made.table)
    np.testing.assert_array_equal(after.rotation, before.rotation)
    np.testing.assert_array_equal(after.shift_angstrom, before.shift_angstrom)
    np.testing.assert_array_equal(after.half_set, before.half_set)
    assert after.stack_paths == (made.directory / "particles.mrcs",)
    assert texts_of(made.table, "rlnImageOriginalName") == texts_of(source.table, "rlnImageName")
    names = {path.name for path in made.directory.iterdir()}
    assert names == {
        *("particles.star", "particles.mrcs", "keep_mask.mrc", "README.txt", "run.log"),
        *("subtracted_half1.mrc", "subtracted_half2.mrc", "residual_power.npz"),
        "subtraction.yaml",
    }
    record = yaml.safe_load((made.directory / "subtraction.yaml").read_text())
    assert record["n_particles"] == len(before)
    assert record["grey_scale"] == pytest.approx([1, 1], abs=0.1)


def test_cut_images_show_the_cut_map(source: Source, cut: SubtractedSet, tmp_path: Path) -> None:
    """The map of recentred, cut images is the cut map of the subtracted ones, in its place."""
    made = cut
    small = reconstructed(made.table, tmp_path / "small.mrc")
    whole = reconstructed(source.subtracted.table, tmp_path / "whole.mrc")
    keep = read_volume(made.keep_mask)
    corner = [round(o / PIXEL) for o in reversed(keep.origin_angstrom)]
    expected = cut_cube(whole, [c + 6 for c in corner], 12)
    fsc = fourier_shell_correlation(
        forward_3d(small * keep.data), forward_3d(expected * keep.data), 12
    )
    assert fsc[1:4].min() > 0.9
    np.testing.assert_array_equal(
        keep.data, cut_cube(read_volume(source.keep).data, [c + 6 for c in corner], 12)
    )
    particles = ParticleSet.read(made.table)
    assert particles.box == particles.optics[0].box == 12
    assert np.abs(particles.shift_angstrom).max() <= PIXEL / 2 + 1e-3


def test_cut_pixels_are_those_of_the_whole_image(source: Source, cut: SubtractedSet) -> None:
    """Cutting interpolates nothing: every pixel is one of the uncut subtracted image."""
    whole, small = pixels_of(source.subtracted.table), pixels_of(cut.table)
    for image, part in zip(whole[:20], small[:20], strict=True):
        assert np.isin(part, image).all()


def test_the_way_back(
    source: Source, cut: SubtractedSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After cutting and subtracting again, revert gives images, poses and box as they were.

    Where these images are not found from the new table, it says so.
    """
    second = subtract(cut.table, cut.keep_mask, tmp_path / "second", CUT)
    intact = texts_of(source.table, "rlnImageName")
    assert texts_of(second.table, "rlnImageOriginalName") == intact
    assert texts_of(second.table, "rlnDefocusU") != texts_of(source.table, "rlnDefocusU")
    back = tmp_path / "back.star"
    assert revert(second.table, back) == len(intact)
    assert "not that of the subtracted ones" in caplog.text
    before, after = StarDocument.read(source.table), StarDocument.read(back)
    for name in ("optics", "particles"):
        labels = before.block(name).labels
        assert after.texts(after.block(name), labels) == before.texts(before.block(name), labels)
        assert not [label for label in after.block(name).labels if "Intact" in label]


def test_intact_names_never_lead_to_subtracted_images(
    source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A table of intact particles refuses the stacks that were made of theirs, at any remove."""
    again = subtract(source.subtracted.table, source.keep, tmp_path / "again")
    intact = again.directory / "intact.star"
    revert(again.table, intact)
    assert "are not found from here" in caplog.text
    for folder in (None, again.directory, source.subtracted.directory):
        with pytest.raises(ParticleError, match=r"made from particles\.mrcs, but the table names"):
            ParticleSet.read(intact, datadir=folder)
    ParticleSet.read(intact, datadir=source.table.parent)


def test_subtracting_again_uses_the_next_mask(source: Source, tmp_path: Path) -> None:
    """A subtracted set is subtracted again: what only the first mask kept goes too."""
    keep = read_volume(source.keep).data
    nested = keep * (np.arange(BOX) < BOX // 2 + 2)[:, None, None]
    write_volume(tmp_path / "nested.mrc", nested.astype(np.float32), PIXEL)
    made = subtract(source.subtracted.table, tmp_path / "nested.mrc", tmp_path / "again")
    after = reconstructed(made.table, tmp_path / "after.mrc")
    before = reconstructed(source.subtracted.table, tmp_path / "before.mrc")
    gone = (keep > 0.99) & (nested < 0.01)
    if gone.any():
        assert np.square(after[gone]).sum() < 0.2 * np.square(before[gone]).sum()
    assert texts_of(made.table, "rlnImageOriginalName") == texts_of(source.table, "rlnImageName")


def test_given_maps(source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One map of another grey scale does; that half sets share it is said, of two it is not."""
    made = reconstruct(source.table, tmp_path / "map.mrc")
    write_volume(tmp_path / "other.mrc", -37.0 * read_volume(made.path).data, PIXEL)
    shared = SubtractSettings(map=tmp_path / "other.mrc")
    result = subtract(source.table, source.keep, tmp_path / "one", shared)
    assert result.grey_scale == pytest.approx([-1 / 37] * 2, rel=0.2)
    assert result.grey_scale[0] == result.grey_scale[1]
    assert "both half sets are subtracted with the same map" in caplog.text
    caplog.clear()
    doubled = 2 * read_volume(made.halves[1]).data
    write_volume(tmp_path / "half2.mrc", doubled, PIXEL)
    halves = SubtractSettings(map=made.halves[0], half2=tmp_path / "half2.mrc")
    result = subtract(source.table, source.keep, tmp_path / "two", halves)
    assert "the same map" not in caplog.text
    assert result.grey_scale[1] == pytest.approx(source.subtracted.grey_scale[1] / 2, rel=1e-3)
    reference = pixels_of(source.subtracted.table)
    np.testing.assert_allclose(pixels_of(result.table), reference, atol=1e-3)


def test_float16_is_half_the_size(source: Source, tmp_path: Path) -> None:
    """Images in MRC mode 12 are those of mode 2, rounded."""
    made = subtract(source.table, source.keep, tmp_path / "half", SubtractSettings(float16=True))
    assert read_header(made.directory / "particles.mrcs").dtype == np.dtype("<f2")
    expected = pixels_of(source.subtracted.table)
    np.testing.assert_allclose(pixels_of(made.table), expected, rtol=1e-3, atol=1e-3)


def test_rows_that_share_an_image(source: Source, tmp_path: Path) -> None:
    """Each row of an expanded set is subtracted with its own pose."""
    text = source.table.read_text()
    rows = [line for line in text.splitlines() if "@" in line]
    head = text[: text.index(rows[0])].replace(
        "_rlnRandomSubset #14",
        "_rlnRandomSubset #14\n_cryofocusParent #15\n_cryofocusOperator #16",
    )
    copies = []
    for number, row in enumerate(rows, start=1):
        copies.append(f"{row} {number} 1")
        cells = row.split()
        cells[3] = f"{float(cells[3]) + 180:.6f}"
        copies.append(f"{' '.join(cells)} {number} 2")
    table = source.table.parent / "expanded.star"
    table.write_text(head + "\n".join(copies) + "\n")
    made = subtract(table, source.keep, tmp_path / "expanded")
    raw, left = pixels_of(table), pixels_of(made.table)
    np.testing.assert_array_equal(raw[0::2], raw[1::2])
    removed = raw - left
    assert not np.allclose(removed[0::2], removed[1::2], atol=0.1 * np.abs(removed).max())


def test_subtracted_sets_can_be_classified(
    cut: SubtractedSet, small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path
) -> None:
    """Classes are found in a cut, subtracted set: poses, CTF and mask fit the images."""
    request = ask(small_set, particles=cut.table, focus=None, mask=cut.keep_mask)
    run = classify(request, tmp_path / "RUN")
    truth = np.array(texts_of(small_set.directory / "truth.star", "rlnClassNumber"))
    found = np.array(texts_of(run.particles, "rlnClassNumber"))
    share = np.mean(truth == found)
    assert max(share, 1 - share) > 0.9


def test_memory_does_not_grow_with_the_set(
    simulate: Callable[..., SimulatedSet],
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four times the particles take no more memory than a few columns of numbers."""
    monkeypatch.setattr("cryofocus.consensus.images.CHUNK_PARTICLES", 64)
    peaks = []
    for particles in (240, 960):
        table = simulate(particles=particles).directory / "particles.star"
        tracemalloc.start()
        # What several threads have under way depends on their luck.
        subtract(table, source.keep, tmp_path / str(particles), machine=Machine(threads=1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    stack_bytes = (960 - 240) * BOX**2 * 4
    assert peaks[1] - peaks[0] < 0.5 * stack_bytes


class Stopper(Progress):
    """Progress that a user interrupts while images are written."""

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Stop at the first step of the subtraction."""

        def advance(steps: int = 1, note: str = "") -> None:
            del steps, note
            if name == "subtraction":
                raise KeyboardInterrupt

        yield advance


def test_ctrl_c_leaves_nothing(source: Source, tmp_path: Path) -> None:
    """An interrupted subtraction leaves no directory, under no name."""
    with pytest.raises(KeyboardInterrupt):
        subtract(source.table, source.keep, tmp_path / "sub", progress=Stopper())
    assert not list(tmp_path.iterdir())


def test_expected_failures_write_nothing(source: Source, tmp_path: Path) -> None:
    """A directory that is something else is left alone, and so is the one that is read."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(CryofocusError, match="is not a directory of subtracted particles"):
        subtract(source.table, source.keep, mine, overwrite=True)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    made = source.subtracted.directory
    with pytest.raises(CryofocusError, match=r"holds particles\.star, which is read here"):
        subtract(made / "particles.star", source.keep, made, overwrite=True)
    assert (made / "particles.mrcs").is_file()


def test_a_map_of_something_else_is_refused(source: Source, tmp_path: Path) -> None:
    """A map that the images do not show is not subtracted from them."""
    noise = np.random.default_rng(1).normal(size=(BOX,) * 3).astype(np.float32)
    write_volume(tmp_path / "noise.mrc", noise, PIXEL)
    settings = SubtractSettings(map=tmp_path / "noise.mrc")
    with pytest.raises(CryofocusError, match=r"its projections are not found in the images"):
        subtract(source.table, source.keep, tmp_path / "sub", settings)
    assert not (tmp_path / "sub").exists()


def test_a_full_disk_is_noticed_before_work(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would not fit on the disk is refused before any image is read."""
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CryofocusError, match=r"the results need 1 MB, but 0 MB are free"):
        subtract(source.table, source.keep, tmp_path / "sub")
    assert not list(tmp_path.iterdir())


def test_origins_in_pixels_stay_in_pixels(
    source: Source, cut: SubtractedSet, tmp_path: Path
) -> None:
    """A table of older RELION, whose origins are in pixels, is cut to the same poses."""
    document = StarDocument.read(source.table)
    block = document.block("particles")
    shifts = document.numbers(block, ["rlnOriginXAngst", "rlnOriginYAngst"])
    older = source.table.parent / "older.star"
    columns = {label.removesuffix("Angst"): shift / PIXEL for label, shift in shifts.items()}
    document.write(older, block, columns, drop=list(shifts))
    made = subtract(older, source.keep, tmp_path / "older", CUT)
    again = StarDocument.read(made.table)
    assert "rlnOriginXAngst" not in again.block("particles").labels
    np.testing.assert_allclose(
        ParticleSet.read(made.table).shift_angstrom,
        ParticleSet.read(cut.table).shift_angstrom,
        atol=1e-3,
    )


@pytest.mark.parametrize(
    ("name", "to"), [("set.cs", None), ("set.cistem", None), ("cistem.star", "cistem-star")]
)
def test_tables_of_other_programs(
    source: Source, cut: SubtractedSet, tmp_path: Path, name: str, to: str | None
) -> None:
    """Cut once and again, a set of another format shows the same images, and leads back."""
    given = tmp_path / name
    convert(source.table, given, ConvertSettings(to=to, write_stack=tmp_path / "whole.mrc"))
    made = subtract(given, source.keep, tmp_path / "cut", CUT)
    assert made.table == tmp_path / "cut" / f"particles{given.suffix}"
    lines = (made.directory / "README.txt").read_text().splitlines()[2:-4]
    written = {path.name for path in made.directory.iterdir()} - {"subtracted_half2.mrc"}
    assert written | {"report.html"} == {line.split()[0] for line in lines}
    assert "particles.mrc" in written
    after, reference = ParticleSet.read(made.table), ParticleSet.read(cut.table)
    np.testing.assert_allclose(after.shift_angstrom, reference.shift_angstrom, atol=1e-2)
    defocus = reference.ctf.defocus_u_angstrom
    np.testing.assert_allclose(after.ctf.defocus_u_angstrom, defocus, atol=0.1)
    np.testing.assert_allclose(pixels_of(made.table), pixels_of(cut.table), atol=0.05)
    again = subtract(made.table, made.keep_mask, tmp_path / "again", CUT)
    assert not leads_back(again.table, given, tmp_path, np.array([5, 2, 9]))


def leads_back(table: Path, given: Path, folder: Path, rows: np.ndarray) -> list[str]:
    """Choose rows of a cut set, revert them, and name what is not as in the table first given."""
    cut_table, some = open_table(table), folder / f"some{given.suffix}"
    cut_table.write(some, {}, rows)
    assert revert(some, folder / f"back{given.suffix}") == len(rows)
    back = open_table(folder / f"back{given.suffix}")
    found, expected = back.columns(), open_table(given).columns()
    same = {
        "images": [found.places.name(i) for i in range(len(rows))]
        == [expected.places.name(i) for i in rows.tolist()],
        "shifts": np.allclose(found.shift_angstrom, expected.shift_angstrom[rows], atol=1e-5),
        "views": np.allclose(found.rotation, expected.rotation[rows], atol=1e-6),
        "defoci": np.allclose(
            found.ctf.defocus_u_angstrom, expected.ctf.defocus_u_angstrom[rows], atol=1e-2
        ),
        "cut before": cut_table.subtracted is not None and cut_table.subtracted.are_cut,
        "whole after": back.subtracted is not None and not back.subtracted.are_cut,
    }
    return [name for name, is_so in same.items() if not is_so]
