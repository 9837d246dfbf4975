"""`cryofocus simulate assembly`: ribosomes that assemble, turn and bind, and their whole truth."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float32

from cryofocus.data.shapes.models import bead_model
from cryofocus.data.volume import write_planes, write_volume
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.maths.statistics import posterior_kappa
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import Imaging, normalise, prepare
from cryofocus.simulate.assembly.oracles import Oracles, Posteriors
from cryofocus.simulate.assembly.ribosome import PARTS, read_ribosome
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.specimens import Junk
from cryofocus.simulate.assembly.states import (
    REGIONS,
    Region,
    all_states,
    part_amplitudes,
    region_named,
)
from cryofocus.simulate.image_formation import Camera
from cryofocus.simulate.phantom import Sphere
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.new_directory import new_directory
from cryofocus.workflows.run.writing import require_free_space, write_array, write_text
from cryofocus.workflows.simulate.assembly_tables import present, state_map, write_assembly_tables
from cryofocus.workflows.simulate.humanoid import DESCRIPTION, KIND
from cryofocus.workflows.simulate.images import write_images
from cryofocus.workflows.simulate.tables import in_map_frame

# In the core of the large subunit, 30 Å and more from all that varies or moves.
CONTROL = Sphere((40.0, -40.0, -32.0), 30.0)
# So small that it cuts EF-G, beside which the small subunit moves.
CUT_REGION, CUT_RADIUS_ANGSTROM = "ef_g", 30.0
CARBON_DALTON = 12.0
# Kappas in dataset.yaml, of what `Posteriors` holds.
ORACLES = {
    "states": "oracle",
    "focused": "oracle_focused",
    "model": "oracle_model",
    "given": "oracle_given",
}


@dataclass(frozen=True)
class SimulatedAssembly:
    """Where a set of ribosomes lies and what the best classifiers reach on it.

    Attributes:
        directory: The directory written.
        n_states: Number of states.
        focus_sphere: "x,y,z,r" in Å in the map's frame, as `--focus` takes it.
        oracle_kappa: Kappa of whether the region in focus is there, all states known.
        oracle_focused_kappa: The same, what is outside of it known.
        oracle_model_kappa: The same, by our model with the true class means.
        oracle_given_kappa: The same at the given poses, intensities and noise estimated.
    """

    directory: Path
    n_states: int
    focus_sphere: str
    oracle_kappa: float
    oracle_focused_kappa: float
    oracle_model_kappa: float
    oracle_given_kappa: float


@shown
def simulate_assembly(
    output: Path | str,
    settings: AssemblySettings | None = None,
    *,
    overwrite: bool = False,
    threads: int = 2,
    progress: Progress | None = None,
) -> SimulatedAssembly:
    """Simulate a set of ribosomes and write it with its truth, maps, masks and oracles.

    Args:
        output: Directory to create. It appears under its name only when it is complete.
        settings: Every parameter; those of docs/assembly.md if left out.
        overwrite: Replace an existing directory.
        threads: Chunks of particles made at once; the images do not depend on it.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Returns:
        The directory, its focus sphere and the oracles' kappa.

    Raises:
        SettingError: If the ribosome or the focus sphere does not fit the box.
        OutputError: If the directory exists and `overwrite` is not set or it holds no simulated
            set, or if it cannot be written.
    """
    assert progress is not None  # shown gives one
    settings = settings or AssemblySettings()
    KIND.require_usable(Path(output), overwrite=overwrite)
    region, sphere = _focus(settings)
    _require_room(settings, sphere)
    with (
        new_directory(Path(output), KIND, overwrite=overwrite) as folder,
        progress.task("particles", settings.particles) as advance,
    ):
        _require_disk(folder, settings)
        imaging = prepare(settings)
        densities = Densities(imaging)
        oracles = Oracles.of(densities, region, sphere)
        posteriors = _write_images(folder, imaging, oracles, advance, threads)
        write_assembly_tables(folder, imaging, region)
        _write_maps(folder, densities)
        _write_models(folder, densities)
        kappas = _judge(posteriors, imaging, region)
        focus = in_map_frame(sphere, imaging.camera)
        made = SimulatedAssembly(Path(output), len(all_states()[0]), focus, *kappas.values())
        description = _describe(imaging, made) | kappas
        write_text(folder / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))
    return made


def _focus(settings: AssemblySettings) -> tuple[Region, Sphere]:
    region = region_named(settings.focus_region)
    sphere = region.sphere(read_ribosome())
    radius = settings.focus_radius_angstrom or sphere.radius_angstrom
    return region, Sphere(sphere.centre_angstrom, radius)


def _require_room(settings: AssemblySettings, focus: Sphere) -> None:
    """Refuse a box that the ribosome or its focus sphere does not fit."""
    pixel_size = settings.resolved_pixel_size_angstrom
    half = settings.box * pixel_size / 2
    whole = float(np.abs(read_ribosome().centre_angstrom).max())
    sphere = max(abs(c) for c in focus.centre_angstrom) + focus.radius_angstrom
    for name, what, reach in (
        ("pixel_size_angstrom", "ribosome", whole),
        ("focus_radius_angstrom", "focus sphere", sphere),
    ):
        if reach > half:
            raise SettingError(
                f"{name}: {settings.box} pixels of {pixel_size:g} Å reach {half:.0f} Å from the "
                f"centre, but the {what} reaches {reach:.0f} Å; choose a larger pixel size or a "
                "smaller sphere"
            )


def _require_disk(folder: Path, settings: AssemblySettings) -> None:
    """Refuse before any work what would not fit on the disk."""
    n_maps = len(all_states()[0]) + len(REGIONS)
    voxels = settings.particles * settings.box**2 + n_maps * settings.box**3
    require_free_space(folder, 4 * voxels)


def _write_images(
    folder: Path, imaging: Imaging, oracles: Oracles, advance: Advance, threads: int
) -> Posteriors:
    """Write the stack chunk by chunk, and what the oracles say of it."""
    make, n = partial(_make_chunk, imaging, oracles), len(imaging.specimens)
    judged = write_images(folder, make, n, imaging.camera, advance, threads)
    names = [field.name for field in fields(Posteriors)]
    joined = {name: np.concatenate([getattr(p, name) for p in judged]) for name in names}
    for name, posteriors in joined.items():
        write_array(folder / f"{ORACLES[name]}.npy", posteriors)
    return Posteriors(**joined)


def _make_chunk(
    imaging: Imaging, oracles: Oracles, rows: slice
) -> tuple[Float32[np.ndarray, "n box box"], Posteriors]:
    """Form the images of some particles and classify them."""
    parts = imaging.project(rows)
    images = imaging.form(imaging.shown(parts, rows), rows)
    return normalise(images), oracles.judge(images, parts, rows)


def _write_maps(folder: Path, densities: Densities) -> None:
    """Write the map of every state in the middle of its motion, and the mask of every region."""
    pixel_size = densities.imaging.camera.pixel_size_angstrom
    for name in ("maps", "masks"):
        (folder / name).mkdir()
    box = densities.imaging.camera.box
    for number, planes in enumerate(densities.states(), start=1):
        write_planes(folder / "maps" / state_map(number), planes, box, pixel_size)
    for region in REGIONS:
        write_volume(folder / "masks" / f"{region.name}.mrc", densities.mask(region), pixel_size)


def _write_models(folder: Path, densities: Densities) -> None:
    """Write the beads of every region, in the frame of the maps, as an atomic model."""
    camera = densities.imaging.camera
    corner = camera.box // 2 * camera.pixel_size_angstrom
    (folder / "models").mkdir()
    for region in REGIONS:
        beads = densities.beads(region)
        centre, sigma, weight = (
            np.concatenate([getattr(of_body, name) for of_body in beads])
            for name in ("centre_angstrom", "sigma_angstrom", "weight")
        )
        text = bead_model(region.name, centre + corner, sigma, 1000 / CARBON_DALTON * weight)
        write_text(folder / "models" / f"{region.name}.cif", text)


def _judge(posteriors: Posteriors, imaging: Imaging, region: Region) -> dict[str, float]:
    """Return each oracle's kappa of whether the region is there, over all but junk."""
    counted = imaging.specimens.junk == Junk.NOTHING
    truth = present(imaging.specimens, region)[counted]
    has = part_amplitudes(all_states()[0])[:, PARTS.index(region.parts[0])] > 0
    found = {
        "states": np.stack([posteriors.states[:, which].sum(axis=1) for which in (~has, has)], 1),
        "focused": posteriors.focused,
        "model": posteriors.model,
        "given": posteriors.given,
    }
    return {
        f"{ORACLES[name]}_kappa": round(posterior_kappa(one[counted], truth), 4)
        for name, one in found.items()
    }


def _describe(imaging: Imaging, made: SimulatedAssembly) -> dict[str, Any]:
    camera: Camera = imaging.camera
    cut = Sphere(
        region_named(CUT_REGION).sphere(imaging.ribosome).centre_angstrom, CUT_RADIUS_ANGSTROM
    )
    return imaging.settings.model_dump(mode="json") | {
        "pixel_size_angstrom": camera.pixel_size_angstrom,
        "focus_sphere": made.focus_sphere,
        "control_sphere": in_map_frame(CONTROL, camera),
        "cutting_sphere": in_map_frame(cut, camera),
        "n_classes": 2,
        "n_states": made.n_states,
        "noise_variance_before_ctf": imaging.noise.before_ctf,
        "noise_variance_after_ctf": imaging.noise.after_ctf,
        "regions": [region.name for region in REGIONS],
    }
