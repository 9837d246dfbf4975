"""Small particle files that tests read, spoil and read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from particle_files import write_stack_file

BOX, PIXEL_SIZE, N_PARTICLES = 8, 2.0, 4

OPTICS = """\
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
1 opticsGroup1 300.0 2.7 0.1 2.0 8

"""
LABELS = (
    *("rlnImageName", "rlnMicrographName", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
    *("rlnOriginXAngst", "rlnOriginYAngst", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"),
    *("rlnOpticsGroup", "rlnRandomSubset"),
)


def particle_rows() -> list[str]:
    """Rows of four particles, two to a micrograph."""
    return [
        f"{i + 1:06d}@stack.mrcs mic{i // 2}.mrc {10 * i}.5 {20 + i}.0 {-30 * i}.0 "
        f"{i}.25 -{i}.75 1{i}000.0 1{i}500.0 {15 * i}.0 1 {1 + i % 2}"
        for i in range(N_PARTICLES)
    ]


def particle_text(rows: list[str] | None = None) -> str:
    """A RELION 3.1 file of these rows (of the four by default)."""
    labels = "".join(f"_{label} #{i}\n" for i, label in enumerate(LABELS, start=1))
    body = "".join(row + "\n" for row in (particle_rows() if rows is None else rows))
    return f"{OPTICS}# version 30001\n\ndata_particles\n\nloop_\n{labels}{body}\n"


@pytest.fixture
def images() -> np.ndarray:
    """Pixels of the four particles."""
    rng = np.random.default_rng(11)
    return rng.normal(size=(N_PARTICLES, BOX, BOX)).astype(np.float32)


@pytest.fixture
def particle_file(tmp_path: Path, images: np.ndarray) -> Path:
    """A sound RELION 3.1 file beside its stack."""
    write_stack_file(tmp_path / "stack.mrcs", images)
    path = tmp_path / "particles.star"
    path.write_text(particle_text())
    return path


@pytest.fixture
def edit(particle_file: Path) -> Callable[..., Path]:
    """Replace texts in the sound file; every replacement has to hit."""

    def apply(*replacements: tuple[str, str]) -> Path:
        text = particle_file.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        particle_file.write_text(text)
        return particle_file

    return apply
