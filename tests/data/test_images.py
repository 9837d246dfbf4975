"""Images: the right pixels in the order asked for, from any stack, on one grid."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofocus.data.images import ImageReader
from cryofocus.data.mapped import let_go
from cryofocus.data.particles import ParticleSet
from cryofocus.data.resampling import plan_resampling
from cryofocus.errors import ParticleError
from cryofocus.maths.fourier import resize_images

STATUS = Path("/proc/self/status")


def test_any_order_is_the_order_asked_for(particle_file: Path, images: np.ndarray) -> None:
    """Images come in the order of the indices, repeated ones included, as float32."""
    reader = ImageReader(ParticleSet.read(particle_file))
    for indices in ([0, 1, 2, 3], [3, 0, 0, 2], [2, 1], [1]):
        reader.expect(np.array(indices))
        found = reader.read(np.array(indices))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, images[indices])
    assert reader.read(np.zeros(0, np.int64)).shape == (0, 8, 8)


def test_many_stacks_of_other_modes_and_byte_orders(
    edit: Callable[..., Path], images: np.ndarray
) -> None:
    """Half-precision, big-endian and single-image stacks are mixed in one table."""
    path = edit(
        ("000002@stack.mrcs", "2@a.mrcs"), ("3@stack.mrcs", "1@b.mrcs"), ("4@stack", "1@one")
    )
    for name, data in (
        ("a.mrcs", (images * 10).astype(">i2")),
        ("b.mrcs", images.astype("<f2")),
        ("one.mrcs", images[3:4]),
    ):
        with mrcfile.new(path.parent / name) as mrc:
            mrc.set_data(data)
    particles = ParticleSet.read(path)
    found = ImageReader(particles).read(np.array([3, 2, 1, 0]))
    np.testing.assert_array_equal(found[0], images[3])
    np.testing.assert_array_equal(found[1], images[0].astype(np.float16))
    np.testing.assert_array_equal(found[2], (images[1] * 10).astype(np.int16))
    np.testing.assert_array_equal(found[3], images[0])


def test_a_name_without_number_is_the_first_image(
    edit: Callable[..., Path], images: np.ndarray
) -> None:
    """A file of one image needs no number before its name."""
    path = edit(("000001@stack.mrcs", "stack.mrcs"))
    found = ImageReader(ParticleSet.read(path)).read(np.array([0]))
    np.testing.assert_array_equal(found[0], images[0])


def test_threads_share_a_reader(particle_file: Path, images: np.ndarray) -> None:
    """Several threads reading at once get what one would."""
    reader = ImageReader(ParticleSet.read(particle_file))
    with ThreadPoolExecutor(4) as pool:
        for i, found in enumerate(pool.map(lambda i: reader.read(np.array([i % 4])), range(64))):
            np.testing.assert_array_equal(found[0], images[i % 4])


@pytest.mark.parametrize("place", ["beside", "project", "working directory", "datadir", "bare"])
def test_stacks_are_found(
    particle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Beside the table, in the project above it, here, in the given folder, or by bare name."""
    job = tmp_path / "project" / "Refine3D" / "job012"
    elsewhere = tmp_path / "elsewhere"
    for folder in (job, elsewhere):
        folder.mkdir(parents=True)
    monkeypatch.chdir(elsewhere if place == "working directory" else tmp_path)
    folder = {"beside": job, "project": tmp_path / "project", "bare": elsewhere}.get(
        place, elsewhere
    )
    stack = folder / ("stack.mrcs" if place == "bare" else "Extract/stack.mrcs")
    stack.parent.mkdir(exist_ok=True)
    (tmp_path / "stack.mrcs").rename(stack)
    table = job / "run_data.star"
    table.write_text(particle_file.read_text().replace("@stack", "@Extract/stack"))
    datadir = elsewhere if place in ("datadir", "bare") else None
    assert ParticleSet.read(table, datadir=datadir).stack_paths == (stack,)


def test_stack_of_another_set_in_the_working_directory_is_not_taken(
    particle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that fits a file here and one beside the table is refused until a folder is given."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "stack.mrcs").write_bytes((tmp_path / "stack.mrcs").read_bytes())
    monkeypatch.chdir(here)
    with pytest.raises(ParticleError) as failure:
        ParticleSet.read(particle_file)
    assert str(failure.value) == (
        f"{particle_file}: image stack stack.mrcs is {here / 'stack.mrcs'} as well as "
        f"{tmp_path / 'stack.mrcs'}, which are two files. Say which folder is meant with "
        "--datadir."
    )
    chosen = ParticleSet.read(particle_file, datadir=tmp_path)
    assert chosen.stack_paths == (tmp_path / "stack.mrcs",)


def test_a_map_of_nearly_the_same_name_is_no_rival(
    particle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .mrc here is not asked about where the .mrcs that the table names lies beside it."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "stack.mrc").write_bytes((tmp_path / "stack.mrcs").read_bytes())
    monkeypatch.chdir(here)
    assert ParticleSet.read(particle_file).stack_paths == (tmp_path / "stack.mrcs",)


def test_equal_bare_names_are_not_mixed_up(edit: Callable[..., Path], tmp_path: Path) -> None:
    """Two stacks of one name in different folders are not both found as the one file at hand."""
    path = edit(("000001@stack.mrcs", "1@a/stack.mrcs"), ("000002@stack.mrcs", "1@b/stack.mrcs"))
    with pytest.raises(ParticleError, match="2 of 3 image stacks were not found"):
        ParticleSet.read(path, datadir=tmp_path)


@pytest.mark.parametrize("kept", ["Extract/job5/stack.mrcs", "job5/stack.mrcs", "stack.mrcs"])
@pytest.mark.parametrize("name", ["/data/user/Extract/job5/stack.mrcs", "Extract/job5/stack.mrcs"])
def test_ends_of_paths_are_looked_up_in_datadir(
    particle_file: Path, tmp_path: Path, name: str, kept: str
) -> None:
    """Stacks that were copied from another machine are found with or without their folders."""
    stack = tmp_path / "copied" / kept
    stack.parent.mkdir(parents=True)
    (tmp_path / "stack.mrcs").rename(stack)
    particle_file.write_text(particle_file.read_text().replace("@stack.mrcs", f"@{name}"))
    found = ParticleSet.read(particle_file, datadir=tmp_path / "copied")
    assert found.stack_paths == (stack,)


def test_a_stack_of_another_program_is_found_by_its_relion_name(
    particle_file: Path, tmp_path: Path
) -> None:
    """RELION wants .mrcs where other programs write .mrc."""
    (tmp_path / "stack.mrcs").rename(tmp_path / "stack.mrc")
    assert ParticleSet.read(particle_file).stack_paths == (tmp_path / "stack.mrc",)


def test_equal_grids_need_no_resampling() -> None:
    """Images that are on the grid already are passed through."""
    assert plan_resampling(64, 1.5, 64, 1.5) is None


@pytest.mark.parametrize(
    ("box", "pixel_size", "new_box", "new_pixel_size"),
    [(48, 2.0, 64, 1.5), (64, 1.5, 48, 2.0), (63, 1.5, 32, 3.0), (50, 1.24, 48, 1.25)],
)
def test_resampled_particle_is_the_same_density(
    box: int, pixel_size: float, new_box: int, new_pixel_size: float
) -> None:
    """A Gaussian off the centre has its height, place and width in Å on the other grid."""

    def gaussian(n: int, size: float) -> np.ndarray:
        axis = (np.arange(n) - n // 2) * size
        y, x = axis[:, None], axis[None, :]
        bump = np.exp(-((x - 7) ** 2 + (y + 4) ** 2) / (2 * 6.0**2))
        return (0.5 + bump).astype(np.float32)[None]

    plan = plan_resampling(box, pixel_size, new_box, new_pixel_size)
    assert plan is not None
    assert plan.relative_error < 1e-3
    found, expected = plan.apply(gaussian(box, pixel_size)), gaussian(new_box, new_pixel_size)
    assert found.dtype == np.float32
    inside = slice(new_box // 4, -new_box // 4)
    np.testing.assert_allclose(found[0, inside, inside], expected[0, inside, inside], atol=0.01)


def test_groups_of_other_pixel_size_are_brought_onto_one_grid(
    edit: Callable[..., Path], images: np.ndarray
) -> None:
    """A minority with half the pixel size and twice the box comes in the majority's grid."""
    row = "1 opticsGroup1 300.0 2.7 0.1 2.0 8\n"
    path = edit(
        (row, row + "2 fine 200.0 2.7 0.1 1.0 16\n"),
        ("000004@stack.mrcs", "1@fine.mrcs"),
        ("45.0 1 2", "45.0 2 2"),
    )
    # A Fourier-padded copy of an image is, cropped again, that image without its Nyquist terms.
    smooth = resize_images(resize_images(images[3:], 7), 8)
    with mrcfile.new(path.parent / "fine.mrcs") as mrc:
        mrc.set_data(resize_images(smooth, 16))
    particles = ParticleSet.read(path)
    assert (particles.box, particles.pixel_size_angstrom) == (8, 2.0)
    found = ImageReader(particles).read(np.array([3, 0]))
    np.testing.assert_allclose(found[0], smooth[0], atol=1e-5)
    np.testing.assert_array_equal(found[1], images[0])


def test_a_stack_cut_while_it_is_open_is_refused(particle_file: Path) -> None:
    """A stack that became shorter is an error that says so, not the end of the program."""
    reader = ImageReader(ParticleSet.read(particle_file))
    reader.read(np.array([0]))
    stack = particle_file.parent / "stack.mrcs"
    with stack.open("r+b") as file:
        file.truncate(1100)
    with pytest.raises(ParticleError, match=r"stack\.mrcs: holds 1100 bytes, but \d+ when it was"):
        reader.read(np.array([3]))


@pytest.mark.skipif(not STATUS.exists(), reason="memory by kind is read from Linux's /proc")
def test_pages_of_a_stack_do_not_stay(tmp_path: Path) -> None:
    """What was read of a large stack counts no longer as memory of the process."""

    def file_megabytes() -> float:
        line = next(row for row in STATUS.read_text().splitlines() if row.startswith("RssFile"))
        return int(line.split()[1]) / 1024

    np.zeros((128, 256, 256), np.float32).tofile(tmp_path / "stack")
    data = np.memmap(tmp_path / "stack", np.float32, "r", 0, (128, 256, 256))
    before = file_megabytes()
    assert data.sum() == 0
    assert file_megabytes() > before + 20
    let_go(data)
    assert file_megabytes() < before + 5
