"""The tables of a simulated set: what a user would have, and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cryofocus.data.star.document import write_star
from cryofocus.simulate.acquisition import AcquisitionSettings
from cryofocus.simulate.image_formation import Camera, Specimens, Views
from cryofocus.simulate.phantom import Sphere
from cryofocus.simulate.settings import HumanoidSettings

STACK = "particles.mrcs"
TRUTH_LABELS = (
    *("cryofocusNearArm", "cryofocusNearHand", "cryofocusNearFoot"),
    *("cryofocusFarArm", "cryofocusFarHand", "cryofocusFarFoot"),
)
"""Columns of truth.star for `states.MOVING`: 1 for an arm that is up or a part that is present."""

Table = dict[str, Sequence[Any] | np.ndarray]


def write_tables(
    folder: Path, views: Views, settings: AcquisitionSettings, truth: Mapping[str, np.ndarray]
) -> None:
    """Write particles.star with the given poses and truth.star with the true ones.

    Args:
        folder: Existing directory.
        views: True poses and CTF parameters.
        settings: Optics, micrographs and the errors of the given poses.
        truth: Columns of truth.star beside poses and image names.

    Raises:
        OutputError: Disk full, no permission.
    """
    names = [f"{number:06d}@{STACK}" for number in range(1, len(views) + 1)]
    optics = _optics_table(settings)
    particles = _particle_table(names, views, settings)
    write_star(folder / "particles.star", {"optics": optics, "particles": particles})
    poses = _pose_columns(views.euler_degrees, views.shift_angstrom)
    write_star(folder / "truth.star", {"particles": {"rlnImageName": names, **poses, **truth}})


def in_map_frame(sphere: Sphere, camera: Camera) -> str:
    """Return "x,y,z,r" with voxel (0, 0, 0) at 0 Å."""
    corner = (camera.box // 2) * camera.pixel_size_angstrom
    numbers = [*(c + corner for c in sphere.centre_angstrom), sphere.radius_angstrom]
    return ",".join(f"{round(number, 3):g}" for number in numbers)


def humanoid_truth(specimens: Specimens, settings: HumanoidSettings) -> dict[str, np.ndarray]:
    """Return the class of both units and the state of every moving part."""
    scenario, states = settings.states(), specimens.states
    table = {
        "rlnClassNumber": scenario.unit_class(states) + 1,
        "cryofocusClassMate": scenario.unit_class(states, mate=True) + 1,
    }
    for label, part in zip(TRUTH_LABELS, states.T, strict=True):
        table[label] = part.astype(np.int64)
    return table


def _particle_table(names: list[str], views: Views, settings: AcquisitionSettings) -> Table:
    # A set of a few particles still has two micrographs, hence two half sets.
    per_micrograph = min(settings.particles_per_micrograph, max(1, len(names) // 2))
    micrograph = np.arange(len(names)) // per_micrograph
    euler, shift = settings.given_poses(views)
    ctf = views.ctf
    return {
        "rlnImageName": names,
        "rlnMicrographName": [f"micrograph{number + 1:05d}.mrc" for number in micrograph],
        "rlnOpticsGroup": np.ones(len(names), dtype=np.int64),
        **_pose_columns(euler, shift),
        "rlnDefocusU": ctf.defocus_u_angstrom,
        "rlnDefocusV": ctf.defocus_v_angstrom,
        "rlnDefocusAngle": ctf.defocus_angle_degrees,
        "rlnPhaseShift": ctf.phase_shift_degrees,
        "rlnCtfBfactor": ctf.b_factor_square_angstrom,
        "rlnRandomSubset": micrograph % 2 + 1,
    }


def _optics_table(settings: AcquisitionSettings) -> Table:
    return {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnVoltage": [settings.voltage_kilovolt],
        "rlnSphericalAberration": [settings.spherical_aberration_mm],
        "rlnAmplitudeContrast": [settings.amplitude_contrast],
        "rlnImagePixelSize": [settings.pixel_size_angstrom],
        "rlnImageSize": [settings.box],
        "rlnImageDimensionality": [2],
    }


def _pose_columns(
    euler: Float[np.ndarray, "n 3"], shift: Float[np.ndarray, "n 2"]
) -> dict[str, np.ndarray]:
    return {
        "rlnAngleRot": euler[:, 0],
        "rlnAngleTilt": euler[:, 1],
        "rlnAnglePsi": euler[:, 2],
        "rlnOriginXAngst": shift[:, 0],
        "rlnOriginYAngst": shift[:, 1],
    }
