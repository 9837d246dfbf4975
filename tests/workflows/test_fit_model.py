"""`fit` of an atomic model to a map, from file to file."""

from __future__ import annotations

import json
from pathlib import Path

import gemmi
import numpy as np
import pytest

from cryofocus.data.shapes.models import AtomicModel, DensityGrid, model_density
from cryofocus.data.volume import write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maps.align import FitSettings
from cryofocus.maths.rotations import random_rotations
from cryofocus.workflows.fit import fit

BOX, VOXEL, ORIGIN = 28, 4.0, (15.0, -20.0, 5.0)
AWAY = np.array([300.0, -150.0, 80.0])
ROUGH = FitSettings(max_resolution_angstrom=14.0)


def write_model(path: Path, places: np.ndarray, chain: str = "A") -> Path:
    """Write carbon atoms, a residue each."""
    structure, model, strand = gemmi.Structure(), gemmi.Model(1), gemmi.Chain(chain)
    for number, place in enumerate(places, start=1):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(number, " ")
        atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), 60.0
        atom.pos = gemmi.Position(*place)
        residue.add_atom(atom)
        strand.add_residue(residue)
    model.add_chain(strand)
    structure.add_model(model)
    if path.suffix == ".pdb":
        structure.write_pdb(str(path))
    else:
        structure.make_mmcif_document().write_file(str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bent rod of atoms, the map of it turned and moved, and where its atoms are there."""
    folder = tmp_path_factory.mktemp("fit_model")
    rng = np.random.default_rng(2)
    steps = np.linspace(0, 1, 60)[:, None]
    body = 60 * steps * [1, 0, 0] + 30 * steps**2 * [0, 1, 0] + 25 * steps**6 * [0, 0, 1]
    body = np.concatenate([body + rng.normal(0, 2, (60, 3)), rng.normal(0, 7, (80, 3))])
    centre = np.array(ORIGIN) + BOX // 2 * VOXEL
    turned = (body - body.mean(axis=0)) @ random_rotations(1, rng)[0].T + centre + [4, -3, 5]
    there = write_model(folder / "there.pdb", turned)
    grid = DensityGrid(BOX, VOXEL, tuple(centre.tolist()))
    write_volume(folder / "map.mrc", model_density(there, grid), VOXEL, ORIGIN)
    write_model(folder / "model.pdb", body + AWAY)
    write_model(folder / "model.cif", body + AWAY, chain="LONG")
    return {path.stem + path.suffix[1:]: path for path in folder.iterdir()}


def test_a_model_lands_in_its_density(tmp_path: Path, files: dict[str, Path]) -> None:
    """Wherever it was, each atom ends where it is in the map's frame; the motion is written."""
    made = fit(files["modelpdb"], files["mapmrc"], tmp_path / "docked.pdb", settings=ROUGH)
    places = [AtomicModel.read(path).position_angstrom for path in (made.path, files["therepdb"])]
    assert np.sqrt(((places[0] - places[1]) ** 2).sum(axis=1).mean()) < 1.0
    assert made.fit.correlation > 0.98
    said = json.loads(made.description.read_text())
    assert said["model"] == str(files["modelpdb"])
    assert said["correlation_before"] is None
    matrix = np.array(said["matrix_in_map_frames"])
    before = AtomicModel.read(files["modelpdb"]).position_angstrom
    np.testing.assert_allclose(before @ matrix[:, :3].T + matrix[:, 3], places[0], atol=2e-3)


def test_local_refines_where_the_model_lies(tmp_path: Path, files: dict[str, Path]) -> None:
    """A model that is nearly right moves a little, and mmCIF keeps long names of chains."""
    near = AtomicModel.read(files["therepdb"]).position_angstrom + np.array([2.0, 1.0, -1.0])
    model = write_model(tmp_path / "near.cif", near, chain="LONG")
    local = ROUGH.model_copy(update={"search": "local"})
    made = fit(model, files["mapmrc"], tmp_path / "docked.cif", settings=local)
    docked = AtomicModel.read(made.path)
    there = AtomicModel.read(files["therepdb"]).position_angstrom
    assert np.abs(docked.position_angstrom - there).max() < 0.5
    assert set(docked.chain) == {"LONG"}
    before = made.fit.correlation_before
    assert before is not None
    assert before < made.fit.correlation


@pytest.mark.parametrize(
    ("model", "output", "message"),
    [
        ("modelpdb", "out.mrc", r"ends in \.pdb or \.ent or \.cif or \.mmcif"),
        ("modelpdb", "out.pdb", r"atoms reach \d+ Å from the box centre of the map"),
        ("mapmrc", "out.pdb", r"expected a name that ends in \.mrc"),
    ],
)
def test_bad_models(
    tmp_path: Path, files: dict[str, Path], model: str, output: str, message: str
) -> None:
    """What cannot be docked is refused with one message, and nothing is written."""
    local = FitSettings(search="local")
    with pytest.raises(CryofocusError, match=message):
        fit(files[model], files["mapmrc"], tmp_path / output, settings=local)
    assert not any(tmp_path.iterdir())


def test_long_chain_names_need_mmcif(tmp_path: Path, files: dict[str, Path]) -> None:
    """A PDB file that would cut the names of chains is refused."""
    near = AtomicModel.read(files["therepdb"]).position_angstrom
    model = write_model(tmp_path / "near.cif", near, chain="LONG")
    local = ROUGH.model_copy(update={"search": "local"})
    with pytest.raises(CryofocusError, match=r"no room for the chain LONG"):
        fit(model, files["mapmrc"], tmp_path / "docked.pdb", settings=local)
