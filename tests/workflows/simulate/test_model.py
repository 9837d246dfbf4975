"""Sets of particles made from atomic models."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
import yaml

from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_volume
from cryofocus.errors import CryofocusError, OutputError, SettingError
from cryofocus.simulate.model_states import ModelSettings
from cryofocus.workflows.covary.run import covary
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.make_mask import make_sphere_mask
from cryofocus.workflows.simulate.model import SimulatedModels, simulate_models

SETTINGS = ModelSettings(
    particles=150, snr=0.2, first_snr=20.0, box=24, pixel_size_angstrom=4.0, shares=(2.0, 1.0)
)


def write_model(path: Path, bump: tuple[float, float, float]) -> Path:
    """A rod of glycine-like carbons about (100, 0, 0) with a bump."""
    model, chain, structure = gemmi.Model(1), gemmi.Chain("A"), gemmi.Structure()
    rod = [(100.0, 0.0, float(z)) for z in range(-24, 25, 2)]
    around = [tuple(np.add(bump, step)) for step in 2.0 * np.indices((3, 3, 3)).reshape(3, -1).T]
    for number, place in enumerate([*rod, *around], start=1):
        atom, residue = gemmi.Atom(), gemmi.Residue()
        atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), 40.0
        atom.pos = gemmi.Position(*(float(value) for value in place))
        residue.name, residue.seqid = "GLY", gemmi.SeqId(number, " ")
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(path))
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bump up or down."""
    folder = tmp_path_factory.mktemp("models")
    return [
        write_model(folder / "up.pdb", (108.0, 0.0, 14.0)),
        write_model(folder / "down.pdb", (108.0, 0.0, -18.0)),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, models: list[Path]) -> SimulatedModels:
    """The set; tests must not change it."""
    return simulate_models(models, tmp_path_factory.mktemp("set") / "set", SETTINGS)


def test_the_set_reads_and_scores(made: SimulatedModels) -> None:
    """Tables, stack and truth belong together; the best classifier beats chance by far."""
    particles = ParticleSet.read(made.directory / "particles.star")
    assert (len(particles), particles.box, particles.pixel_size_angstrom) == (150, 24, 4.0)
    posteriors = np.load(made.directory / "oracle.npy")
    assert posteriors.shape == (150, 2)
    assert made.oracle_kappa > 0.6
    scores = evaluate(made.directory / "truth.star", made.directory / "truth.star")
    assert scores["kappa"] == 1
    assert 0.5 < posteriors[:, 0].mean() < 0.8


def test_maps_keep_the_frame_of_the_models(made: SimulatedModels) -> None:
    """The difference of the states' maps is highest where the bump is, in the map's frame."""
    up, down = (read_volume(made.directory / "maps" / f"state{k}.mrc") for k in (1, 2))
    difference = up.data - down.data
    z, y, x = np.unravel_index(difference.argmax(), difference.shape)
    place = np.array([x, y, z]) * 4.0 + up.origin_angstrom
    np.testing.assert_allclose(place, (110.0, 2.0, 16.0), atol=4.0)


def test_the_description_has_every_parameter(made: SimulatedModels, models: list[Path]) -> None:
    """dataset.yaml says what the set is made of."""
    described = yaml.safe_load((made.directory / "dataset.yaml").read_text())
    assert described["models"] == [str(path) for path in models]
    assert described["n_classes"] == 2
    assert described["shares"] == pytest.approx([2 / 3, 1 / 3])
    assert described["snr"] == 0.2


def test_a_point_of_the_models_may_be_the_centre(tmp_path: Path, models: list[Path]) -> None:
    """The rod, not the middle of rod and bumps, which is off its axis, is at the box centre."""
    settings = SETTINGS.model_copy(update={"centre_angstrom": (100.0, 0.0, 0.0), "particles": 2})
    made = simulate_models(models, tmp_path / "set", settings)
    up = read_volume(made.directory / "maps/state1.mrc")
    np.testing.assert_allclose(up.origin_angstrom, (100 - 48.0, -48.0, -48.0), atol=1e-3)
    assert np.unravel_index(up.data[:8].sum(axis=0).argmax(), (24, 24)) == (12, 12)
    far = settings.model_copy(update={"centre_angstrom": (180.0, 0.0, 0.0)})
    with pytest.raises(CryofocusError, match=r"its atoms reach .* Å"):
        simulate_models(models, tmp_path / "other", far)


def test_bad_input(tmp_path: Path, models: list[Path]) -> None:
    """One model, a small box and a taken name are refused, and nothing is written."""
    with pytest.raises(
        SettingError, match=r"models: found 1, expected at least two, one per state"
    ):
        simulate_models(models[:1], tmp_path / "set", SETTINGS)
    small = ModelSettings(box=16, pixel_size_angstrom=1.0, particles=2)
    with pytest.raises(
        CryofocusError, match=r"up\.pdb: its atoms reach .* only 8 Å\. Give a larg"
    ):
        simulate_models(models, tmp_path / "set", small)
    assert not (tmp_path / "set").exists()
    (tmp_path / "set").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        simulate_models(models, tmp_path / "set", SETTINGS)


def test_a_factor_on_the_ribosome_is_found_in_the_particles(
    shared_data: Path, tmp_path: Path
) -> None:
    """With and without EF-G: its place varies over the particles, the 50S core does not."""
    ribosomes = [shared_data / "ribosome70S" / f"grp{number}.pdb.gz" for number in (0, 1)]
    settings = ModelSettings(
        particles=240, snr=0.5, first_snr=20.0, box=32, pixel_size_angstrom=12.0
    )
    made = simulate_models(ribosomes, tmp_path / "set", settings)
    like, masks = made.directory / "maps" / "state1.mrc", {}
    # In the frame of the models.
    spheres = {"factor": (-26.7, 52.6, -64.1, 30.0), "core": (39.3, 28.6, 37.9, 30.0)}
    for name, sphere in spheres.items():
        masks[name] = make_sphere_mask(sphere, like, tmp_path / f"{name}.mrc").path
    table = made.directory / "particles.star"
    level = covary([table], masks, tmp_path / "together").record.particle_level
    assert level is not None
    assert level.varies == (True, False)
    assert 0.2 < (level.spread[0] or 0) < 0.6
