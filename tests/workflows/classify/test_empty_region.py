"""A region is measured on the consensus before the runs, and one without density is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.mask import FocusMask
from cryofocus.data.volume import write_volume
from cryofocus.errors import RegionError
from cryofocus.workflows.classify.inputs import read_inputs
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest

BOX, PIXEL = 24, 17.5


def sphere_of(simulated: SimulatedSet) -> np.ndarray:
    """Centre and radius of the arm, in Å."""
    return np.array([float(number) for number in simulated.focus_sphere.split(",")])


@pytest.mark.parametrize("meaning", ["pixels", "nm", "Å from the box centre"])
def test_numbers_in_another_frame(
    small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path, meaning: str
) -> None:
    """Pixels for Å, or a centre counted from that of the box: the message names the sphere."""
    true = sphere_of(small_set)
    pixels = (*(true[:3] / PIXEL), 3.4)
    # Taken from the corner of the box, the second lies in empty space.
    nm = true / 10
    given = {"pixels": pixels, "nm": nm}.get(meaning, (60.0, 25.0, 50.0, 25.0))
    with pytest.raises(RegionError, match=r"almost empty|between the voxels") as raised:
        classify(ask(small_set, focus=tuple(map(float, given))), tmp_path / "RUN")
    said = str(raised.value)
    assert "If these numbers are " in said
    assert f" {meaning}, it is --focus" in said
    if meaning != "Å from the box centre":
        assert f"--focus {true[0]:.1f}," in str(raised.value)
    assert not (tmp_path / "RUN").exists()


def test_what_was_there_stays(small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path) -> None:
    """A refused region takes neither another's files with it nor a folder that was there."""
    run = tmp_path / "RUN"
    run.mkdir()
    with pytest.raises(RegionError, match="almost empty"):
        classify(ask(small_set, focus=(60.0, 25.0, 50.0, 25.0)), run)
    assert run.is_dir()


def test_share_of_the_density_is_said(
    small_set: SimulatedSet,
    ask: MakeRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says how large the region is and what it holds; noise is no reason to refuse."""
    caplog.set_level("INFO")
    classify(ask(small_set, settings={"n_runs": 1, "max_cycles": 1}), tmp_path / "RUN")
    assert "focus region: 203 voxels (" in caplog.text
    assert "of the density" in caplog.text


def test_noise_is_not_refused(
    simulate: Callable[..., SimulatedSet], ask: MakeRequest, tmp_path: Path
) -> None:
    """Without a clear molecule nothing is known of where it is; the run goes on."""
    noise = simulate(noise_only=True, particles=60)
    few = {"n_runs": 1, "max_cycles": 1}
    classify(ask(noise, focus=(60.0, 60.0, 60.0, 40.0), settings=few), tmp_path / "RUN")


def test_outside_the_box_counted_from_its_centre() -> None:
    """Negative coordinates that fit from the box centre are named as they would be given."""
    with pytest.raises(
        RegionError,
        match=r"If these numbers are Å from the box centre, it is --focus 208.0,182.0,157.0,30.0",
    ) as raised:
        FocusMask.from_sphere((-2.0, -28.0, -53.0, 30.0), BOX, PIXEL, soft_edge_angstrom=8.0)
    assert "extends" in str(raised.value)


def test_a_map_of_another_box(small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path) -> None:
    """A cropped map is no frame, unless its header says where it was cut from."""
    request = ask(small_set)
    particles = read_inputs(request).particles
    voxel = particles.pixel_size_angstrom
    small = np.zeros((particles.box // 2,) * 3, np.float32)
    write_volume(tmp_path / "cropped.mrc", small, voxel)
    with pytest.raises(RegionError, match=r"a box of .* that starts at 0, while the particles"):
        read_inputs(request.model_copy(update={"map": tmp_path / "cropped.mrc"}))
    origin = (4 * voxel, 0.0, 0.0)
    write_volume(tmp_path / "placed.mrc", small, voxel, origin_angstrom=origin)
    placed = read_inputs(request.model_copy(update={"map": tmp_path / "placed.mrc"}))
    assert placed.mask.origin_angstrom == pytest.approx(origin)
