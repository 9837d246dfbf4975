"""`cryofocus simulate model`: particles that show one of several atomic models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Complex64, Float32, Int64

from cryofocus.arrays import Volume
from cryofocus.data.shapes.models import DensityGrid, model_bounds, model_density
from cryofocus.data.volume import write_volume
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.maths.statistics import posterior_kappa
from cryofocus.simulate.image_formation import (
    NoiseLevels,
    Views,
    chunk_ctf,
    form_images,
    measure_power,
    unit_noise,
)
from cryofocus.simulate.model_states import ModelSettings, StateProjector, state_posteriors
from cryofocus.simulate.oracle import part_statistics
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.new_directory import new_directory
from cryofocus.workflows.run.writing import require_free_space, write_array, write_text
from cryofocus.workflows.simulate.humanoid import DESCRIPTION, KIND
from cryofocus.workflows.simulate.images import write_images
from cryofocus.workflows.simulate.tables import write_tables


@dataclass(frozen=True)
class SimulatedModels:
    """Where a set lies and the kappa of the best classifier on its images."""

    directory: Path
    n_states: int
    oracle_kappa: float


@shown
def simulate_models(
    models: Sequence[Path | str],
    output: Path | str,
    settings: ModelSettings | None = None,
    *,
    overwrite: bool = False,
    threads: int = 2,
    progress: Progress | None = None,
) -> SimulatedModels:
    """Simulate particles of several states, each an atomic model in a common frame.

    Args:
        models: PDB or mmCIF files, one per state; the middle of the box that encloses all atoms,
            or `centre_angstrom` of the settings, is put into the centre of the images' box, and
            the maps' headers keep the models' frame.
        output: Directory to create, with particles.star, particles.mrcs, truth.star
            (rlnClassNumber is the number of the model), maps/, oracle.npy and dataset.yaml. It
            appears under its name only when it is complete.
        settings: Every parameter; defaults if left out.
        overwrite: Replace an existing directory.
        threads: Chunks of particles made at once; the images do not depend on it.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When a model cannot be read, or does not fit the box.
        SettingError: When there is one model only, or the SNR cannot be reached.
        OutputError: If the directory exists and `overwrite` is not set or it holds no simulated
            set, or if it cannot be written.
    """
    settings, paths = settings or ModelSettings(), [Path(model) for model in models]
    _require_states(paths)
    KIND.require_usable(Path(output), overwrite=overwrite)
    states, views = settings.draw_states(len(paths)), settings.draw_views()
    grid = _common_grid(paths, settings)
    assert progress is not None  # shown gives one
    with new_directory(Path(output), KIND, overwrite=overwrite) as folder:
        voxels = settings.particles * settings.box**2 + len(paths) * settings.box**3
        require_free_space(folder, 4 * voxels)
        with progress.task("models", len(paths)) as advance:
            maps = np.stack([_sample(path, grid, advance) for path in paths])
        imaging = _scale(maps, states, views, settings)
        with progress.task("particles", len(views)) as advance:
            make, camera = partial(_make_chunk, imaging), settings.camera()
            judged = write_images(folder, make, len(views), camera, advance, threads)
        posteriors = np.concatenate(judged)
        write_array(folder / "oracle.npy", posteriors)
        write_tables(folder, views, settings, {"rlnClassNumber": states + 1})
        (folder / "maps").mkdir()
        names = [f"state{number}.mrc" for number in range(1, len(paths) + 1)]
        for name, volume in zip(names, imaging.projector.maps, strict=True):
            place = (settings.pixel_size_angstrom, grid.origin_angstrom)
            write_volume(folder / "maps" / name, volume, *place)
        result = SimulatedModels(Path(output), len(paths), posterior_kappa(posteriors, states))
        description = settings.model_dump(mode="json") | {
            "shares": [float(p) for p in settings.probabilities(len(paths))],
            "models": [str(path) for path in paths],
            "n_classes": len(paths),
            "origin_angstrom": [round(float(x), 3) for x in grid.origin_angstrom],
            "noise_variance_before_ctf": imaging.noise.before_ctf,
            "noise_variance_after_ctf": imaging.noise.after_ctf,
            "oracle_kappa": round(result.oracle_kappa, 4),
            "maps": names,
        }
        write_text(folder / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return result


@dataclass(frozen=True, eq=False)
class _Imaging:
    """What the images of a set are made from."""

    projector: StateProjector
    states: Int64[np.ndarray, " n"]
    views: Views
    noise: NoiseLevels
    settings: ModelSettings


def _require_states(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        raise SettingError(
            f"models: found {len(paths)}, expected at least two, one per state. Name a PDB or "
            "mmCIF file for every state."
        )


def _common_grid(paths: Sequence[Path], settings: ModelSettings) -> DensityGrid:
    """Put the middle of all models, or the point that was given, into the box centre."""
    if settings.centre_angstrom is not None:
        return DensityGrid(settings.box, settings.pixel_size_angstrom, settings.centre_angstrom)
    bounds = np.stack([model_bounds(path) for path in paths])
    x, y, z = ((bounds[:, 0].min(axis=0) + bounds[:, 1].max(axis=0)) / 2).tolist()
    return DensityGrid(settings.box, settings.pixel_size_angstrom, (x, y, z))


def _sample(path: Path, grid: DensityGrid, advance: Advance) -> Volume:
    density = model_density(path, grid)
    advance(1)
    return density


def _scale(
    maps: Float32[np.ndarray, "state box box box"],
    states: Int64[np.ndarray, " n"],
    views: Views,
    settings: ModelSettings,
) -> _Imaging:
    """Scale the density so that all noise together has a mean pixel variance of one."""
    camera = settings.camera()
    raw = StateProjector.of(maps, settings.pixel_size_angstrom)
    power = measure_power(
        lambda rows: _shown(raw.project(views, rows), states[rows]), views, camera
    )
    gain, noise = unit_noise(power, settings.snr, settings.first_snr)
    return _Imaging(raw.scaled(gain), states, views, noise, settings)


def _shown(
    projections: Complex64[np.ndarray, "n state box half"], states: Int64[np.ndarray, " n"]
) -> Complex64[np.ndarray, "n box half"]:
    """Take each particle's own state."""
    return np.asarray(projections[np.arange(len(states)), states])


def _make_chunk(
    imaging: _Imaging, rows: slice
) -> tuple[Float32[np.ndarray, "n box box"], Float32[np.ndarray, "n state"]]:
    """Form the images of some particles and classify them."""
    settings, camera = imaging.settings, imaging.settings.camera()
    projections = imaging.projector.project(imaging.views, rows)
    ctf = chunk_ctf(imaging.views, camera, rows)
    signal = _shown(projections, imaging.states[rows])
    images = form_images(signal, ctf, imaging.noise, settings.noise_generator(rows.start))
    variance = imaging.noise.coefficient_variance(ctf, camera.box)
    statistics = part_statistics(images, projections, ctf, variance)
    probabilities = settings.probabilities(len(imaging.projector.maps))
    return images, state_posteriors(*statistics, probabilities)
