"""Tables joined from two, with two units or rows that nobody refined, are said to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.foreign.doubts import doubts_of_views
from cryofocus.data.formats import open_table
from cryofocus.data.star.document import write_star
from cryofocus.errors import CryofocusError
from cryofocus.maths.rotations import rotation_from_euler

N = 40
EVERY_SECOND = np.arange(N) % 2 == 1


def euler() -> np.ndarray:
    """Rot, tilt and psi of particles seen from all around."""
    return np.random.default_rng(4).uniform((-180, 0, -180), (180, 180, 180), (N, 3))


def notes(
    tmp_path: Path, optics: dict[str, float] | None = None, **columns: Any
) -> tuple[str, ...]:
    """Read a table with other optics or columns, and give what is said of it."""
    rng = np.random.default_rng(5)
    defocus = rng.uniform(9000, 20000, N)
    table = {
        "rlnImageName": [f"{i + 1}@s.mrcs" for i in range(N)],
        **dict(zip(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), euler().T, strict=True)),
        **{"rlnDefocusU": defocus, "rlnDefocusV": defocus, "rlnDefocusAngle": np.zeros(N)},
        "rlnOpticsGroup": np.ones(N, int),
    }
    changed = {k: v(defocus) if callable(v) else v for k, v in columns.items()}
    given = {"rlnVoltage": 300.0, "rlnSphericalAberration": 2.7, "rlnAmplitudeContrast": 0.1}
    given |= {"rlnImagePixelSize": 2.0} | (optics or {})
    group = {"rlnOpticsGroup": np.array([1])} | {k: np.array([v]) for k, v in given.items()}
    write_star(tmp_path / "p.star", {"optics": group, "particles": table | changed})
    return open_table(tmp_path / "p.star").columns().notes


def test_nothing_is_said_of_a_sound_set(tmp_path: Path) -> None:
    """Seen from all around, with usual optics."""
    assert notes(tmp_path) == ()
    assert doubts_of_views(rotation_from_euler(euler())) == []


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1e-4, "20 of 40 defoci are 1 Å on average, the others 1"),
        (0.1, "20 of 40 defoci are 1[2-5]"),
        (-1.0, "20 of 40 defoci are negative, which means overfocus"),
        (0.0, "20 of 40 defoci are 0; where they were not measured"),
    ],
)
def test_defoci_of_two_kinds(tmp_path: Path, factor: float, said: str) -> None:
    """Half of the rows are in µm, in nm, count overfocus or were never measured."""

    def change(defocus: np.ndarray) -> np.ndarray:
        return np.where(EVERY_SECOND, factor * defocus, defocus)

    (found,) = notes(tmp_path, rlnDefocusU=change, rlnDefocusV=change)
    assert re.match(said, found)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rlnSphericalAberration", 0.0027, "0.0027 mm; most have 0.01 to 5; if it is in m,"),
        ("rlnSphericalAberration", 27.0, "a spherical aberration of 27 mm; most have"),
        ("rlnVoltage", 30.0, "a voltage of 30 kV; most have 100 to 300"),
        ("rlnAmplitudeContrast", 0.9, "an amplitude contrast of 0.9; most have 0.07"),
        ("rlnBeamTiltX", 50.0, "a beam tilt of 50 mrad; most have less than 1"),
    ],
)
def test_optics_that_hardly_a_microscope_has(
    tmp_path: Path, name: str, value: float, said: str
) -> None:
    """Metres for millimetres, or a digit too many."""
    (found,) = notes(tmp_path, {name: value})
    assert found.startswith("optics group 1: ")
    assert said in found


def test_a_magnification_that_hardly_a_microscope_has(tmp_path: Path) -> None:
    """Distortions are of one or two per cent; those of a fifth come from elsewhere."""

    def of(stretch: float) -> tuple[str, ...]:
        names = [f"rlnMagMat{i}{j}" for i in (0, 1) for j in (0, 1)]
        values = (1 + stretch, 0.0, 0.0, 1.0)
        return notes(tmp_path, dict(zip(names, values, strict=True)))

    assert of(0.02) == ()
    (found,) = of(0.2)
    assert "a magnification matrix that changes images by 20 %; most" in found


def test_a_spherical_aberration_in_micrometres_is_refused(tmp_path: Path) -> None:
    """No lens has metres of it."""
    with pytest.raises(CryofocusError, match="a spherical aberration of 2700 mm; expected 0 to 5"):
        notes(tmp_path, {"rlnSphericalAberration": 2700.0})


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("rlnPhaseshift", "rlnPhaseShift"),
        ("rlnCtfBfactors", "rlnCtfBfactor"),
        ("rlndefocusu", "rlnDefocusU"),  # which is there as well
    ],
)
def test_names_that_are_nearly_known_are_said(tmp_path: Path, label: str, meant: str) -> None:
    """A column that would count under its right name."""
    (found,) = notes(tmp_path, **{label: np.ones(N)})
    assert found.startswith(f"column {label} is not known and counts for nothing; if {meant} is")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (np.radians, "particles are turned by less than 6 degrees; angles in radians look"),
        (lambda angles: angles * (0, 0, 1), "20 of 40 particles have rot and tilt 0, as 2-D"),
        (
            lambda angles: 0 * angles + (10, 20, 30),
            "20 of 40 particles have one and the same pose",
        ),
    ],
    ids=["radians", "of 2-D classes", "one pose"],
)
def test_poses_of_two_kinds(changed: Any, said: str) -> None:
    """Half of the rows have other units, or were never refined."""
    angles = np.where(EVERY_SECOND[:, None], changed(euler()), euler())
    (found,) = doubts_of_views(rotation_from_euler(angles))
    assert said in found


def test_a_tilt_in_radians_is_said() -> None:
    """All views lie around one axis."""
    angles = euler() * (1, np.pi / 180, 1)
    (found,) = doubts_of_views(rotation_from_euler(angles))
    assert found.startswith("all views lie within 4 degrees of one direction")
