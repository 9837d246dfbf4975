"""`cryofocus simulate humanoid`: particles whose truth and Bayes limit are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from cryofocus.data.volume import write_volume
from cryofocus.errors import SettingError
from cryofocus.maths.statistics import posterior_kappa
from cryofocus.simulate.image_formation import (
    Camera,
    NoiseLevels,
    Specimens,
    chunk_ctf,
    combine_parts,
    form_images,
    image_gains,
    measure_signal,
    project_chunk,
    unit_noise,
)
from cryofocus.simulate.oracle import oracle_posteriors, part_statistics
from cryofocus.simulate.phantom import MOVING_REGIONS, PARTS, Phantom, humanoid
from cryofocus.simulate.projection import density_map
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.simulate.states import part_amplitudes, state_name
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.new_directory import DirectoryKind, new_directory
from cryofocus.workflows.run.writing import require_free_space, write_array, write_text
from cryofocus.workflows.simulate.images import write_images
from cryofocus.workflows.simulate.tables import humanoid_truth, in_map_frame, write_tables

DESCRIPTION = "dataset.yaml"
KIND = DirectoryKind("simulated set", DESCRIPTION)
# A part's mask holds the voxels above this part of its largest density.
MASK_LEVEL = 0.25


@dataclass(frozen=True)
class SimulatedSet:
    """Where a simulated set lies and the figures that limit any classifier on it.

    Attributes:
        directory: The directory written.
        focus_sphere: "x,y,z,r" in Å in the map's frame, as `--focus` takes it.
        oracle_kappa: Kappa of the Bayes classifier of docs/evaluation.md on these very images.
        oracle_focused_kappa: Kappa of the focused one.
    """

    directory: Path
    focus_sphere: str
    oracle_kappa: float
    oracle_focused_kappa: float


@shown
def simulate_humanoid(
    output: Path | str,
    settings: HumanoidSettings | None = None,
    *,
    phantom: Phantom | None = None,
    overwrite: bool = False,
    threads: int = 2,
    progress: Progress | None = None,
) -> SimulatedSet:
    """Simulate a humanoid set and write it with its truth, maps and oracles.

    Args:
        output: Directory to create. It appears under its name only when it is complete.
        settings: Every parameter; those of docs/humanoid.md if left out.
        phantom: Beads to use instead of `humanoid(settings.geometry)`, for other geometries.
        overwrite: Replace an existing directory.
        threads: Chunks of particles made at once; the images do not depend on it.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Returns:
        The directory, its focus sphere and the oracles' kappa.

    Raises:
        SettingError: If the phantom does not fit the box or the SNR cannot be reached.
        OutputError: If the directory exists and `overwrite` is not set or it holds no simulated
            set, or if it cannot be written.
    """
    assert progress is not None  # shown gives one
    settings = settings or HumanoidSettings()
    phantom = phantom or humanoid(settings.geometry)
    _require_room(phantom, settings)
    specimens, camera = settings.draw_specimens(), settings.camera()
    with (
        new_directory(Path(output), KIND, overwrite=overwrite) as folder,
        progress.task("particles", len(specimens)) as advance,
    ):
        _require_disk(folder, settings)
        phantom, noise = _scaled_to_unit_noise(phantom, specimens, camera, settings)
        imaging = _Imaging(phantom, specimens, camera, noise, settings)
        make = partial(_make_chunk, imaging)
        judged = write_images(folder, make, len(specimens), camera, advance, threads)
        full, focused = (np.concatenate(parts) for parts in zip(*judged, strict=True))
        write_array(folder / "oracle.npy", full)
        write_array(folder / "oracle_focused.npy", focused)
        write_tables(folder, specimens, settings, humanoid_truth(specimens, settings))
        map_names = _write_maps(folder / "maps", phantom, settings)
        mask_names = _write_masks(folder / "masks", phantom, settings)
        truth = settings.states().unit_class(specimens.states)
        result = SimulatedSet(
            directory=Path(output),
            focus_sphere=in_map_frame(phantom.focus, camera),
            oracle_kappa=posterior_kappa(full, truth),
            oracle_focused_kappa=posterior_kappa(focused, truth),
        )
        description = settings.model_dump(mode="json") | {
            "focus_sphere": result.focus_sphere,
            "control_sphere": in_map_frame(phantom.control, camera),
            "n_classes": settings.states().n_classes,
            "noise_variance_before_ctf": noise.before_ctf,
            "noise_variance_after_ctf": noise.after_ctf,
            "oracle_kappa": round(result.oracle_kappa, 4),
            "oracle_focused_kappa": round(result.oracle_focused_kappa, 4),
            "maps": map_names,
            "masks": mask_names,
        }
        write_text(folder / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return result


@dataclass(frozen=True)
class _Imaging:
    """What the images of a set are made from."""

    phantom: Phantom
    specimens: Specimens
    camera: Camera
    noise: NoiseLevels
    settings: HumanoidSettings


def _require_room(phantom: Phantom, settings: HumanoidSettings) -> None:
    """Refuse a phantom larger than the box."""
    half_box = settings.box * settings.pixel_size_angstrom / 2.0
    if phantom.extent_angstrom() > half_box:
        raise SettingError(
            f"box: {settings.box} pixels of {settings.pixel_size_angstrom:g} Å reach "
            f"{half_box:.0f} Å from the centre, but the phantom reaches "
            f"{phantom.extent_angstrom():.0f} Å; choose a larger box or pixel size"
        )


def _require_disk(folder: Path, settings: HumanoidSettings) -> None:
    """Refuse before any work what would not fit on the disk."""
    n_maps = len(settings.states().possible_states()) + len(MOVING_REGIONS)
    voxels = settings.particles * settings.box**2 + n_maps * settings.box**3
    require_free_space(folder, 4 * voxels)


def _scaled_to_unit_noise(
    phantom: Phantom, specimens: Specimens, camera: Camera, settings: HumanoidSettings
) -> tuple[Phantom, NoiseLevels]:
    power = measure_signal(phantom, specimens, camera)
    gain, levels = unit_noise(power, settings.snr, settings.first_snr)
    return phantom.with_gain(gain), levels


def _make_chunk(
    imaging: _Imaging, rows: slice
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Form the images of some particles and classify them with both oracles."""
    settings, camera = imaging.settings, imaging.camera
    parts = project_chunk(imaging.phantom, imaging.specimens, camera, rows)
    ctf = chunk_ctf(imaging.specimens, camera, rows)
    states = imaging.specimens.states[rows]
    if settings.snr_per_image:
        signal = combine_parts(parts, states)
        gains = image_gains(signal, ctf, imaging.noise, settings.snr)
        parts *= gains[:, None, None, None]
    if settings.noise_only:
        # Without signal the oracle has templates of nothing: its posteriors are the priors.
        parts[:] = 0.0
    signal = combine_parts(parts, states)
    images = form_images(signal, ctf, imaging.noise, settings.noise_generator(rows.start))
    variance = imaging.noise.coefficient_variance(ctf, camera.box)
    statistics = part_statistics(images, parts, ctf, variance)
    return images, oracle_posteriors(*statistics, settings.states())


def _write_maps(folder: Path, phantom: Phantom, settings: HumanoidSettings) -> list[str]:
    """Write one map for every state that occurs; returns their names."""
    folder.mkdir()
    names = []
    for state in settings.states().possible_states():
        amplitudes = part_amplitudes(state[None])[0]
        density = density_map(phantom, amplitudes, settings.box, settings.pixel_size_angstrom)
        names.append(f"{state_name(state)}.mrc")
        write_volume(folder / names[-1], density, settings.pixel_size_angstrom)
    return names


def _write_masks(folder: Path, phantom: Phantom, settings: HumanoidSettings) -> list[str]:
    """Write a mask of every part that moves, in all its places; returns their names."""
    folder.mkdir()
    names = []
    for name, parts in MOVING_REGIONS.items():
        mask = np.zeros((settings.box,) * 3, np.float32)
        for part in parts:
            amplitudes = np.array([float(other == part) for other in PARTS])
            density = density_map(phantom, amplitudes, settings.box, settings.pixel_size_angstrom)
            mask[density > MASK_LEVEL * density.max()] = 1
        names.append(f"{name}.mrc")
        write_volume(folder / names[-1], mask, settings.pixel_size_angstrom)
    return names
