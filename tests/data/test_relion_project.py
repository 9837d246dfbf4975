"""RELION's own projections of a point: poses, shifts, CTF and images agree through files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import choose_format, open_table
from cryofocus.data.images import ImageReader
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_volume
from cryofocus.maths.ctf import Microscope, evaluate_ctf
from cryofocus.maths.fourier import forward_2d, inverse_2d, shift_phases
from cryofocus.maths.grids import shell_index_2d


def correlations(folder: Path, particles: ParticleSet, sign: float) -> np.ndarray:
    """Correlation of every image with exp(-2 pi i f.(A r + sign * origin)) times its CTF."""
    box, pixel = particles.box, particles.pixel_size_angstrom
    density = read_volume(folder / "pointmass.mrc").data
    z, y, x = np.unravel_index(density.argmax(), density.shape)
    point = (np.array([x, y, z]) - box // 2) * pixel
    place = (particles.rotation @ point)[:, :2] + sign * particles.shift_angstrom
    ctf = evaluate_ctf(particles.ctf, particles.optics[0].microscope, box, pixel)
    # RELION's projector leaves out Nyquist and the corners.
    inside = shell_index_2d(box) < box // 2
    expected = inverse_2d(shift_phases(box, pixel, place) * ctf * inside, box)
    images = ImageReader(particles).read(np.arange(len(particles)))
    found = inverse_2d(forward_2d(images) * inside, box)
    pairs = zip(found, expected, strict=True)
    return np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])


@pytest.mark.parametrize(
    ("name", "bound"), [("relion_proj_batch", 0.985), ("relion_proj_batch_pfac2", 0.999)]
)
def test_relions_projections_are_ours(shared_data: Path, name: str, bound: float) -> None:
    """Twenty-four images of a point, each with its pose, shift and defocus, are as we say."""
    folder = shared_data / "relion_project"
    found = correlations(folder, ParticleSet.read(folder / f"{name}.star"), sign=-1.0)
    assert len(found) == 24
    assert found.min() > bound


def test_the_other_shift_sign_is_wrong(shared_data: Path) -> None:
    """With the opposite sign of the shift the images do not correlate: the test can fail."""
    folder = shared_data / "relion_project"
    particles = ParticleSet.read(folder / "relion_proj_batch.star")
    found = correlations(folder, particles, sign=1.0)
    assert np.abs(found.mean()) < 0.1


@pytest.mark.parametrize("name", ["x.cs", "x.cistem", "x.par"])
def test_relions_projections_in_other_words(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Poses, shifts and CTF in the words of other programs still show the images."""
    folder = shared_data / "relion_project"
    source, table = folder / "relion_proj_batch_pfac2.star", tmp_path / name
    choose_format(table).write(table, open_table(source).columns(), None)
    stack = folder / "relion_proj_batch_pfac2.mrcs"
    frealign = Supplement(stack, Microscope(200, 1.4, 0.1), 3.54)
    supplement = frealign if name == "x.par" else None
    particles = ParticleSet.read(table, datadir=folder, supplement=supplement)
    assert correlations(folder, particles, sign=-1.0).min() > 0.999
