"""`reconstruct`: map, half maps and FSC of a whole set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume
from cryofocus.errors import CryofocusError
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.reconstruct import ReconstructSettings, reconstruct
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet


def test_map_is_the_consensus_of_the_run(
    tmp_path: Path, small_set: SimulatedSet, finished: RunDirectory
) -> None:
    """The map equals the run's consensus, and half maps and FSC lie beside it."""
    table = small_set.directory / "particles.star"
    made = reconstruct(table, tmp_path / "map.mrc", machine=Machine(threads=2))
    expected = read_volume(finished.consensus)
    np.testing.assert_array_equal(read_volume(made.path).data, expected.data)
    assert [path.name for path in made.halves] == ["map_half1.mrc", "map_half2.mrc"]
    document = StarDocument.read(made.fsc)
    fsc = document.numbers(document.block("fsc"), ["rlnFourierShellCorrelation"])
    assert fsc["rlnFourierShellCorrelation"][1] > 0.9
    assert made.resolution_angstrom >= 2 * 17.5
    assert made.is_resolved


def test_noise_is_not_resolved(simulate: Callable[..., SimulatedSet], tmp_path: Path) -> None:
    """Half maps of images without a particle resolve nothing finer than the box."""
    noise = simulate(noise_only=True, particles=60)
    made = reconstruct(noise.directory / "particles.star", tmp_path / "map.mrc")
    assert not made.is_resolved
    assert made.resolution_angstrom == pytest.approx(24 * 17.5)


@pytest.mark.parametrize(
    ("name", "symmetry", "message"),
    [
        ("map.mrc", "C2", "symmetry: found 'C2', expected C1"),
        ("map.map", "C1", r"expected a name that ends in \.mrc"),
        ("taken.mrc", "C1", r"taken_half2\.mrc: exists"),
        ("nowhere/map.mrc", "C1", "no such folder"),
        ("", "C1", r"expected a name that ends in \.mrc"),
    ],
)
def test_unusable_output_or_symmetry_is_refused(
    tmp_path: Path, small_set: SimulatedSet, name: str, symmetry: str, message: str
) -> None:
    """Nothing is read or written before names and symmetry are right."""
    (tmp_path / "taken_half2.mrc").write_bytes(b"mine")
    table = small_set.directory / "particles.star"
    with pytest.raises(CryofocusError, match=message):
        reconstruct(table, tmp_path / name, ReconstructSettings(symmetry=symmetry))
    assert [path.name for path in tmp_path.iterdir()] == ["taken_half2.mrc"]
