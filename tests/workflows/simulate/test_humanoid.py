"""The directory that `simulate_humanoid` writes."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import yaml

from cryofocus.data.star.document import StarDocument
from cryofocus.errors import OutputError, SettingError
from cryofocus.maths.fourier import inverse_2d
from cryofocus.maths.rotations import geodesic_degrees, rotation_from_euler
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.projection import project_states
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.simulate.states import part_amplitudes
from cryofocus.workflows.simulate.humanoid import simulate_humanoid
from small_phantom import every_tenth_bead

SETTINGS = HumanoidSettings(
    scenario=2, snr=0.1, particles=140, seed=5, box=32, pixel_size_angstrom=13.1
)
ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
ORIGINS = ("rlnOriginXAngst", "rlnOriginYAngst")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """Every tenth bead of the standard humanoid."""
    return every_tenth_bead()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, phantom: Phantom) -> Path:
    """A small set of scenario 2."""
    folder = tmp_path_factory.mktemp("simulate") / "set"
    simulate_humanoid(folder, SETTINGS, phantom=phantom)
    return folder


def columns(path: Path, *labels: str) -> np.ndarray:
    """Numeric columns of the particle table."""
    document = StarDocument.read(path)
    table = document.numbers(document.block("particles"), labels)
    return np.stack([table[label] for label in labels], axis=1)


def stack(directory: Path) -> np.ndarray:
    """All images of a set."""
    with mrcfile.open(directory / "particles.mrcs") as file:
        assert file.voxel_size.x == pytest.approx(13.1)
        return np.array(file.data)


def test_the_directory_is_complete(directory: Path) -> None:
    """Every file of the interface is there, and the description repeats every parameter."""
    names = {path.name for path in directory.iterdir()}
    assert names == {
        *("particles.star", "particles.mrcs", "truth.star", "maps", "masks", "dataset.yaml"),
        *("oracle.npy", "oracle_focused.npy"),
    }
    assert len(list((directory / "maps").glob("*.mrc"))) == 16
    assert {path.stem for path in (directory / "masks").glob("*.mrc")} >= {"near_hand", "far_foot"}
    description = yaml.safe_load((directory / "dataset.yaml").read_text())
    assert description["n_classes"] == 4
    assert (description["scenario"], description["snr"], description["seed"]) == (2, 0.1, 5)
    # The box centre, voxel 16, is at 209.6 Å in the map's frame.
    assert description["focus_sphere"] == "279.6,209.6,259.6,60"
    assert len(description["control_sphere"].split(",")) == 4
    for name in ("oracle.npy", "oracle_focused.npy"):
        posteriors = np.load(directory / name)
        assert (posteriors.shape, posteriors.dtype) == ((140, 4), np.float32)


def test_truth_and_images_belong_together(directory: Path, phantom: Phantom) -> None:
    """Projections rebuilt from truth.star alone correlate with every image as the SNR says."""
    truth = directory / "truth.star"
    labels = ("NearArm", "NearHand", "NearFoot", "FarArm", "FarHand", "FarFoot")
    states = columns(truth, *(f"cryofocus{label}" for label in labels)).astype(bool)
    pose = rotation_from_euler(columns(truth, *ANGLES)), columns(truth, *ORIGINS)
    half = project_states(phantom, part_amplitudes(states), pose, 32, 13.1)
    # The CTF is left out: at low frequency and in most of the band it is positive at 13 Å.
    blurred = inverse_2d(half, 32)
    images = stack(directory)
    correlation = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, blurred, strict=True)
    ]
    shuffled = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, blurred[::-1], strict=True)
    ]
    assert np.mean(correlation) > 0.1
    assert np.mean(correlation) > np.mean(shuffled) + 0.05
    scenario = SETTINGS.states()
    np.testing.assert_array_equal(
        columns(truth, "rlnClassNumber", "cryofocusClassMate").T - 1,
        [scenario.unit_class(states), scenario.unit_class(states, mate=True)],
    )


def test_all_noise_together_has_unit_variance(directory: Path) -> None:
    """Density is scaled so that the noise of the images has a variance of one."""
    assert stack(directory).var() == pytest.approx(1.1, rel=0.02)


def test_maps_are_on_the_scale_of_the_images(directory: Path, phantom: Phantom) -> None:
    """A map sums to the mass of its state times the gain that the images had."""
    name = "near_up_hand_foot_far_up_hand_foot.mrc"
    with mrcfile.open(directory / "maps" / name) as file:
        full = float(file.data.sum())
    with mrcfile.open(directory / "maps" / "near_up_foot_far_up_hand_foot.mrc") as file:
        without_hand = float(file.data.sum())
    shown = part_amplitudes(np.ones((1, 6), dtype=bool))[0][phantom.part]
    hand = phantom.weight[phantom.part == 4].sum()
    assert (full - without_hand) / full == pytest.approx(hand / (phantom.weight @ shown), rel=1e-3)


def test_the_same_seed_gives_the_same_set_on_any_number_of_threads(
    directory: Path, tmp_path: Path, phantom: Phantom
) -> None:
    """Images and oracle are reproduced bit for bit; another seed gives another set."""
    simulate_humanoid(tmp_path / "again", SETTINGS, phantom=phantom, threads=1)
    np.testing.assert_array_equal(stack(tmp_path / "again"), stack(directory))
    simulate_humanoid(tmp_path / "other", SETTINGS.model_copy(update={"seed": 6}), phantom=phantom)
    assert not np.array_equal(stack(tmp_path / "other"), stack(directory))


def test_perturbed_poses_leave_truth_and_images_alone(
    directory: Path, tmp_path: Path, phantom: Phantom
) -> None:
    """particles.star gets errors of the requested size; truth, images and oracle stay exact."""
    settings = SETTINGS.model_copy(
        update={"perturb_angle_degrees": 4.0, "perturb_shift_angstrom": 13.1}
    )
    simulate_humanoid(tmp_path / "set", settings, phantom=phantom)
    np.testing.assert_array_equal(stack(tmp_path / "set"), stack(directory))
    given, true = tmp_path / "set" / "particles.star", tmp_path / "set" / "truth.star"
    np.testing.assert_array_equal(
        columns(true, *ANGLES), columns(directory / "truth.star", *ANGLES)
    )
    error = columns(given, *ANGLES) - columns(true, *ANGLES)
    assert error.std() == pytest.approx(4.0, rel=0.12)
    assert (columns(given, *ORIGINS) - columns(true, *ORIGINS)).std() == pytest.approx(
        13.1, rel=0.15
    )
    exact = directory / "particles.star"
    away = geodesic_degrees(
        rotation_from_euler(columns(exact, *ANGLES)), rotation_from_euler(columns(true, *ANGLES))
    )
    assert away.max() < 1e-3


def test_noise_only_holds_no_signal(tmp_path: Path, phantom: Phantom) -> None:
    """Without signal the images have unit variance and the oracle answers with the prior."""
    simulate_humanoid(
        tmp_path / "set", SETTINGS.model_copy(update={"noise_only": True}), phantom=phantom
    )
    assert stack(tmp_path / "set").var() == pytest.approx(1.0, rel=0.02)
    np.testing.assert_allclose(np.load(tmp_path / "set" / "oracle.npy"), 0.25, atol=1e-6)


def test_an_existing_directory_is_kept_unless_told_otherwise(
    tmp_path: Path, phantom: Phantom
) -> None:
    """Refused with advice; with overwrite a set is replaced whole and nothing is left behind."""
    folder, settings = tmp_path / "set", SETTINGS.model_copy(update={"particles": 2})
    simulate_humanoid(folder, settings, phantom=phantom)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="already exists; choose another directory with -o"):
        simulate_humanoid(folder, settings, phantom=phantom)
    assert (folder / "notes.txt").read_text() == "mine"
    simulate_humanoid(folder, settings, phantom=phantom, overwrite=True)
    assert not (folder / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_overwrite_spares_what_is_no_simulated_set(tmp_path: Path, phantom: Phantom) -> None:
    """A directory of something else is never replaced, whatever the options say."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"is not a simulated set \(it holds no dataset.yaml\)"):
        simulate_humanoid(tmp_path / "thesis", SETTINGS, phantom=phantom, overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"


def test_what_cannot_be_simulated_is_refused_before_any_file_is_written(tmp_path: Path) -> None:
    """A phantom larger than the box, and numbers out of range, name the option and the remedy."""
    with pytest.raises(SettingError, match="choose a larger box or pixel size"):
        simulate_humanoid(tmp_path / "set", SETTINGS.model_copy(update={"box": 20}))
    with pytest.raises(SettingError, match=r"snr: found 0\.0, expected greater than 0"):
        HumanoidSettings(snr=0.0)
    with pytest.raises(SettingError, match="particles: found 0, expected greater than or equal"):
        HumanoidSettings(particles=0)
    assert not list(tmp_path.iterdir())
