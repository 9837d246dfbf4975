"""Masks from files: in the map's frame, on its grid, and refused when they make no sense."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maths.masks import sphere_mask
from cryofocus.workflows.make_mask import (
    ModelMaskSettings,
    ThresholdMaskSettings,
    VarianceMaskSettings,
    make_model_mask,
    make_sphere_mask,
    make_threshold_mask,
    make_variance_mask,
)

BOX, VOXEL, ORIGIN = 32, 2.0, (-32.0, 10.0, 5.0)
ATOMS = {"A": [(1, (-4.0, 40.0, 37.0)), (2, (0.0, 40.0, 37.0))], "B": [(7, (9.0, 51.0, 46.0))]}


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """A ball of density in the middle of a map whose frame has an origin."""
    path = tmp_path / "map.mrc"
    write_volume(path, sphere_mask(BOX, VOXEL, (0, 0, 0), 12.0, 0.0) * 3, VOXEL, ORIGIN)
    return path


def write_model(path: Path, atoms: dict[str, list[tuple[int, tuple[float, ...]]]]) -> Path:
    """Write a model of single atoms; mmCIF or PDB by the name."""
    structure = gemmi.Structure()
    model = gemmi.Model(1)
    for name, residues in atoms.items():
        chain = gemmi.Chain(name)
        for number, position in residues:
            residue = gemmi.Residue()
            residue.name, residue.seqid = "ALA", gemmi.SeqId(number, " ")
            atom = gemmi.Atom()
            atom.name, atom.element = "CA", gemmi.Element("C")
            atom.pos = gemmi.Position(*position)
            residue.add_atom(atom)
            chain.add_residue(residue)
        model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    if path.suffix == ".cif":
        structure.make_mmcif_document().write_file(str(path))
    else:
        structure.write_pdb(str(path))
    return path


def centroid(path: Path) -> np.ndarray:
    """Centre of a mask in the map's frame: x, y, z in Å."""
    mask = read_volume(path)
    assert mask.origin_angstrom == pytest.approx(ORIGIN)
    assert mask.voxel_size_angstrom == pytest.approx(VOXEL)
    return np.argwhere(mask.data > 0.5).mean(axis=0)[::-1] * VOXEL + ORIGIN


def test_sphere_lies_where_it_is_asked_for(tmp_path: Path, map_file: Path) -> None:
    """The sphere's centre is in the map's frame; half of the ball's density lies inside it."""
    made = make_sphere_mask((0.0, 42.0, 37.0, 12.0), map_file, tmp_path / "m.mrc")
    np.testing.assert_allclose(centroid(made.path), (0, 42, 37), atol=0.01)
    all_of_it = made.content.density_fraction
    other = make_sphere_mask(
        (12.0, 42.0, 37.0, 12.0), map_file, tmp_path / "n.mrc", soft_edge_angstrom=0
    )
    assert all_of_it == pytest.approx(1)
    # Two equal balls whose centres are a radius apart share 5/16 of their volume.
    assert other.content.density_fraction == pytest.approx(5 / 16, abs=0.03)


def test_threshold_finds_the_density(tmp_path: Path, map_file: Path) -> None:
    """Level and sigma that mean the same give the same mask, which is the ball."""
    density = read_volume(map_file).data
    by_level = ThresholdMaskSettings(level=1.5, soft_edge_angstrom=0)
    first = make_threshold_mask(map_file, tmp_path / "level.mrc", by_level)
    sigma = float((1.5 - density.mean()) / density.std())
    by_sigma = ThresholdMaskSettings(sigma=sigma, soft_edge_angstrom=0)
    second = make_threshold_mask(map_file, tmp_path / "sigma.mrc", by_sigma)
    mask = read_volume(first.path).data
    np.testing.assert_array_equal(mask, density > 0)
    np.testing.assert_array_equal(mask, read_volume(second.path).data)


def test_noise_goes_with_a_low_pass_and_the_largest_piece(tmp_path: Path) -> None:
    """Filtered and reduced to its largest piece, a noisy map gives one region in its place."""
    noise = np.random.default_rng(1).normal(0, 1, (BOX,) * 3)
    noisy = (sphere_mask(BOX, VOXEL, (0, 0, 0), 12.0, 0.0) * 2 + noise).astype(np.float32)
    write_volume(tmp_path / "noisy.mrc", noisy, VOXEL, ORIGIN)
    settings = ThresholdMaskSettings(level=1.0, lowpass_angstrom=16, largest_component=True)
    made = make_threshold_mask(tmp_path / "noisy.mrc", tmp_path / "m.mrc", settings)
    np.testing.assert_allclose(centroid(made.path), (0, 42, 37), atol=1)


@pytest.mark.parametrize("name", ["model.pdb", "model.cif"])
def test_model_selects_chains_and_residues(tmp_path: Path, map_file: Path, name: str) -> None:
    """A residue of a chain gives a ball of the radius at that atom, in the map's frame."""
    model = write_model(tmp_path / name, ATOMS)
    settings = ModelMaskSettings(
        chains=("A",), residues=((2, 5),), radius_angstrom=6, soft_edge_angstrom=0
    )
    made = make_model_mask(model, map_file, tmp_path / "m.mrc", settings)
    np.testing.assert_allclose(centroid(made.path), (0, 40, 37), atol=0.01)
    assert made.content.volume_cubic_angstrom == pytest.approx(4 / 3 * np.pi * 216, rel=0.1)
    everything = make_model_mask(model, map_file, tmp_path / "all.mrc")
    assert everything.content.volume_cubic_angstrom > made.content.volume_cubic_angstrom


def test_odd_masks_are_pointed_out(
    tmp_path: Path, map_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mask that is cut off by the box, or holds no density, gets a warning and is written."""
    with caplog.at_level(logging.WARNING):
        made = make_sphere_mask((-24.0, 20.0, 15.0, 8.0), map_file, tmp_path / "m.mrc")
    assert made.path.exists()
    assert [record.getMessage() for record in caplog.records] == [
        f"{made.path}: the mask touches the edge of the box and is cut off there. Make the region "
        "smaller, or use a map with a larger box.",
        f"{made.path}: no density of {map_file} lies inside the mask. Check the coordinates.",
    ]


def test_atoms_outside_are_counted(
    tmp_path: Path, map_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that leaves the map on one side is used, with a warning."""
    atoms = {"A": [*ATOMS["A"], (3, (500.0, 0.0, 0.0))]}
    model = write_model(tmp_path / "part.pdb", atoms)
    with caplog.at_level(logging.WARNING):
        make_model_mask(model, map_file, tmp_path / "m.mrc")
    assert "1 of 3 atoms lie outside the map" in caplog.text


def far_model(folder: Path, map_file: Path) -> object:
    model = write_model(folder / "far.pdb", {"A": [(1, (500.0, 600.0, 700.0))]})
    return make_model_mask(model, map_file, folder / "m.mrc")


def chosen(folder: Path, map_file: Path, **settings: object) -> object:
    model = write_model(folder / "model.pdb", ATOMS)
    return make_model_mask(model, map_file, folder / "m.mrc", ModelMaskSettings(**settings))


BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "sphere outside": (
        lambda d, m: make_sphere_mask((200.0, 0.0, 0.0, 10.0), m, d / "m.mrc"),
        r"focus sphere 200,0,0,10: extends 180\.0 Å outside the box",
    ),
    "level too high": (
        lambda d, m: make_threshold_mask(m, d / "m.mrc", ThresholdMaskSettings(level=4)),
        r"map\.mrc: no density at level 4; the map reaches 3\. Give a lower --level",
    ),
    "no level": (
        lambda d, m: make_threshold_mask(m, d / "m.mrc", ThresholdMaskSettings()),
        "threshold: found neither of level and sigma, expected one",
    ),
    "model outside": (
        far_model,
        r"far\.pdb: the atoms lie outside the map; they span 500 to 500, 600 to 600, 700 to 700 Å "
        r"along x, y, z, .*map\.mrc -32 to 30, 10 to 72, 5 to 67\. Fit the model",
    ),
    "no such chain": (
        lambda d, m: chosen(d, m, chains=("A", "Z")),
        r"model\.pdb: no chain Z; the model has A, B\. Give names as ChimeraX shows them",
    ),
    "no such residue": (
        lambda d, m: chosen(d, m, chains=("B",), residues=((1, 5),)),
        r"no atom in the selection; the residues of these chains are numbered 7 to 7",
    ),
    "atoms between voxels": (
        lambda d, m: chosen(d, m, chains=("B",), radius_angstrom=0.1, soft_edge_angstrom=0.0),
        r"the mask is empty; atoms with a radius of 0\.1 Å fall between the voxels of 2 Å",
    ),
    "no model": (
        lambda d, m: make_model_mask(d / "none.pdb", m, d / "m.mrc"),
        r"none\.pdb: cannot be read \(no such file\)",
    ),
    "not a model": (
        lambda d, m: make_model_mask(m, m, d / "m.mrc"),
        r"map\.mrc: not an atomic model \(.*\); expected PDB or mmCIF",
    ),
    "taken": (
        lambda d, m: make_sphere_mask((0.0, 42.0, 37.0, 10.0), m, m),
        r"map\.mrc: exists\. Choose another name with -o, or replace it with --overwrite",
    ),
    "wrong name": (
        lambda d, m: make_sphere_mask((0.0, 42.0, 37.0, 10.0), m, d / "mask.map"),
        r"mask\.map: expected a name that ends in \.mrc",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(
    tmp_path: Path, map_file: Path, make: Callable[[Path, Path], object], message: str
) -> None:
    """What cannot be a mask is refused with one message, and nothing is written."""
    before = map_file.read_bytes()
    with pytest.raises(CryofocusError, match=message):
        make(tmp_path, map_file)
    assert not (tmp_path / "m.mrc").exists()
    assert map_file.read_bytes() == before


def test_empty_model_is_refused(tmp_path: Path, map_file: Path) -> None:
    """A file of another kind under a model's name has no atoms."""
    path = tmp_path / "text.pdb"
    path.write_text("nothing of the kind\n")
    with pytest.raises(CryofocusError, match=r"text\.pdb: no atoms found"):
        make_model_mask(path, map_file, tmp_path / "m.mrc")


def test_variance_regions_by_number(tmp_path: Path) -> None:
    """Region 1 holds most variance; each mask is 1 on its own region and 0 on the other."""
    path = tmp_path / "variance.mrc"
    strong = sphere_mask(BOX, VOXEL, (-14, 0, 0), 6.0, 0.0)
    weak = sphere_mask(BOX, VOXEL, (14, 0, 0), 4.0, 0.0)
    write_volume(path, 2 * strong + weak, VOXEL, ORIGIN)
    for number, region, other in ((1, strong, weak), (2, weak, strong)):
        output = tmp_path / f"{number}.mrc"
        settings = VarianceMaskSettings(region=number, soft_edge_angstrom=4.0)
        make_variance_mask(path, output, settings)
        mask = read_volume(output)
        assert (mask.data[region == 1] == 1).all()
        assert (mask.data[other == 1] == 0).all()
        assert mask.origin_angstrom == ORIGIN


def test_variance_that_is_none_or_too_little(tmp_path: Path) -> None:
    """A map without variance, and a region that is not there, are refused with the numbers."""
    path, output = tmp_path / "variance.mrc", tmp_path / "mask.mrc"
    write_volume(path, np.zeros((BOX,) * 3, np.float32), VOXEL)
    with pytest.raises(CryofocusError, match=r"variance\.mrc: no variance \(largest value 0\)"):
        make_variance_mask(path, output)
    write_volume(path, sphere_mask(BOX, VOXEL, (0, 0, 0), 6.0, 0.0), VOXEL)
    with pytest.raises(CryofocusError, match=r"found 1 region above .*, expected at least 3"):
        make_variance_mask(path, output, VarianceMaskSettings(region=3))
    assert not output.exists()
