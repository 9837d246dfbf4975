"""The density of atomic models."""

from __future__ import annotations

import math
from pathlib import Path

import gemmi
import numpy as np
import pytest

from cryofocus.data.shapes.models import DensityGrid, bead_model, model_bounds, model_density
from cryofocus.errors import RegionError
from cryofocus.maths.fourier import forward_3d

PLACE, B_FACTOR = (7.3, -4.2, 11.9), 20.0


@pytest.fixture
def one_atom(tmp_path: Path) -> Path:
    """A carbon atom somewhere."""
    atom, residue, chain = gemmi.Atom(), gemmi.Residue(), gemmi.Chain("A")
    atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), B_FACTOR
    atom.pos = gemmi.Position(*PLACE)
    residue.name, residue.seqid = "ALA", gemmi.SeqId(1, " ")
    residue.add_atom(atom)
    chain.add_residue(residue)
    model, structure = gemmi.Model(1), gemmi.Structure()
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(tmp_path / "atom.pdb"))
    return tmp_path / "atom.pdb"


@pytest.mark.parametrize("box", [32, 33])
def test_an_atom_scatters_from_its_place(one_atom: Path, box: int) -> None:
    """Every coefficient below Nyquist has the phase of the place, and electrons' amplitude."""
    grid = DensityGrid(box, 3.0, (1.0, 2.0, 3.0))
    found = forward_3d(model_density(one_atom, grid)) * grid.voxel_size_angstrom**3
    full, half = np.fft.fftfreq(box, 3.0), np.fft.rfftfreq(box, 3.0)
    kz, ky, kx = np.meshgrid(full, full, half, indexing="ij")
    square = kx**2 + ky**2 + kz**2
    x, y, z = np.array(PLACE) - grid.centre_angstrom
    carbon = np.vectorize(gemmi.Element("C").c4322.calculate_sf)(square / 4)
    expected = carbon * np.exp(-B_FACTOR * square / 4 - 2j * np.pi * (kx * x + ky * y + kz * z))
    below = square < (0.49 / 3.0) ** 2
    np.testing.assert_allclose(found[below], expected[below], atol=0.02)


def test_the_frame_is_the_models(one_atom: Path) -> None:
    """The brightest voxel, in the map's frame, is where the atom is."""
    np.testing.assert_allclose(model_bounds(one_atom), [PLACE, PLACE], atol=1e-3)
    grid = DensityGrid(32, 3.0, (1.0, 2.0, 3.0))
    density = model_density(one_atom, grid)
    z, y, x = np.unravel_index(density.argmax(), density.shape)
    place = np.array([x, y, z]) * 3.0 + grid.origin_angstrom
    np.testing.assert_allclose(place, PLACE, atol=1.5)


@pytest.mark.parametrize(("box", "b_factor"), [(48, 20.0), (49, 20.0), (48, 900.0)])
def test_atoms_are_drawn_whole(
    tmp_path: Path, box: int, b_factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cube that just holds the atoms, wide ones too, gives the map that the whole box gives."""
    places = np.random.default_rng(3).uniform(-15, 12, (6, 3))
    text = bead_model("A", places, np.full(6, math.sqrt(b_factor / 8) / math.pi), np.ones(6))
    (tmp_path / "model.cif").write_text(text)
    grid = DensityGrid(box, 2.0, (1.0, -2.0, 0.5))
    found = model_density(tmp_path / "model.cif", grid)
    monkeypatch.setattr("cryofocus.data.shapes.models.N_SIGMA", 1e3)
    expected = model_density(tmp_path / "model.cif", grid)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_a_model_larger_than_the_box_is_refused(one_atom: Path) -> None:
    """The message says how far the atoms reach and what to change."""
    message = (
        r"atom\.pdb: its atoms reach 93 Å from the centre, but 32 pixels of 3 Å only 48 Å\. Give "
        r"a larger --box or --pixel-size\."
    )
    with pytest.raises(RegionError, match=message):
        model_density(one_atom, DensityGrid(32, 3.0, (100.0, 0.0, 0.0)))
