"""Images that show no CTF: said by an option, by a CTF of 1, or by a table without columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.data.images import ImageReader
from cryofocus.data.labels import DEFOCUS_LABELS
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.optics import MICROSCOPE_LABELS
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import ParticleError
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import NO_CTF
from mixed_grids import BOX, Grid, Simulated, write_set
from particle_files import cs_rows, save_cs, with_fields, write_stack_file
from samples import Beads, correlation, form_images, make_particles, wrap_images

N = 80
SHOWN = Supplement(ctf_shown="none")
CTF_FIELDS = {f: None for f in cs_rows().dtype.names or () if f.startswith("ctf/")}


@pytest.fixture(scope="module")
def beads() -> Beads:
    """What the images show."""
    rng = np.random.default_rng(3)
    return Beads(rng.normal(0, 6, (12, 3)), 4.0, np.full(12, 150.0))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, beads: Beads) -> Path:
    """Projections without CTF, in a table that says one."""
    rng = np.random.default_rng(4)
    particles = make_particles(N, BOX, rng, microscopes=[NO_CTF])
    none = np.zeros(N)
    flat = replace(
        particles.ctf,
        **dict.fromkeys(("defocus_u_angstrom", "defocus_v_angstrom"), none),
        b_factor_square_angstrom=none,
    )
    slices = beads.slices(particles.rotation, BOX)
    images = form_images(replace(particles, ctf=flat), slices, 5.0, rng)
    simulated = Simulated(particles, images, beads.volume(BOX))
    return write_set(tmp_path_factory.mktemp("set"), simulated, [Grid()], np.zeros(N, int))


def change(
    table: Path, name: str, drop: tuple[str, ...] = (), **values: Mapping[str, float]
) -> Path:
    """Write a table anew beside it, its blocks with other columns."""
    path = table.with_name(f"{name}.star")
    path.write_bytes(table.read_bytes())
    for title in ("optics", "particles"):
        document = StarDocument.read(path)
        block = document.block(title)
        columns = {k: np.full(block.n_rows, v) for k, v in values.get(title, {}).items()}
        document.write(path, block, columns, drop=drop)
    return path


def consensus_of(path: Path, supplement: Supplement | None = None) -> np.ndarray:
    """Reconstruct the images of a table."""
    particles = ParticleSet.read(path, supplement=supplement)
    images = ImageReader(particles).read(np.arange(N))
    half_set = (1 + np.arange(N) // 2 % 2).astype(np.int8)
    return estimate_consensus(wrap_images(particles, images), half_set, CpuKernels(1)).map.full


def test_every_way_to_say_it_gives_the_same_map(table: Path, beads: Beads) -> None:
    """The option, a CTF of 1, and a table without any column of the CTF, to rounding."""
    density = consensus_of(table, SHOWN)
    assert correlation(density, beads.volume(BOX)) > 0.95
    ones = change(
        table,
        "ones",
        optics=dict(zip(MICROSCOPE_LABELS, (300.0, 0.0, 1.0), strict=True)),
        particles=dict.fromkeys(DEFOCUS_LABELS, 0.0),
    )
    bare = change(table, "bare", drop=(*DEFOCUS_LABELS, *MICROSCOPE_LABELS))
    for path, supplement in ((ones, None), (ones, SHOWN), (bare, SHOWN)):
        np.testing.assert_allclose(
            consensus_of(path, supplement), density, atol=1e-6 * float(density.max())
        )


def test_columns_of_the_ctf_are_asked_for_or_the_option(table: Path) -> None:
    """Without the option a table that lacks them is refused, and the option is named."""
    bare = change(table, "bare", drop=DEFOCUS_LABELS)
    with pytest.raises(ParticleError, match="give --ctf none if the images show none"):
        ParticleSet.read(bare)
    bare = change(table, "bare", drop=MICROSCOPE_LABELS)
    with pytest.raises(ParticleError, match="or give --ctf none if the images show no CTF"):
        ParticleSet.read(bare)


def test_cryosparc_particles_without_ctf_are_read(tmp_path: Path) -> None:
    """So are particles of cryoSPARC that have no fields of the CTF."""
    write_stack_file(tmp_path / "stack.mrcs", np.ones((4, 8, 8), np.float32))
    path = save_cs(tmp_path / "x.cs", with_fields(cs_rows(), CTF_FIELDS))
    with pytest.raises(ParticleError, match="Give --ctf none if the images show none"):
        ParticleSet.read(path)
    particles = ParticleSet.read(path, supplement=SHOWN)
    (optics,) = particles.optics
    shown = optics.evaluate_ctf(particles.ctf, 8, 2.0)
    np.testing.assert_array_equal(shown, np.ones((4, 8, 5)))


@pytest.mark.parametrize("spherical_aberration", [0.0, 0.01])
def test_a_ctf_that_shows_nothing_is_refused(table: Path, spherical_aberration: float) -> None:
    """Defoci and amplitude contrast of 0 would give an empty map; the option makes them mean 1."""
    nothing = change(
        table,
        "nothing",
        optics=dict(zip(MICROSCOPE_LABELS, (300.0, spherical_aberration, 0.0), strict=True)),
        particles=dict.fromkeys(DEFOCUS_LABELS, 0.0),
    )
    with pytest.raises(ParticleError, match=r"optics group 1: .* the CTF is 0 at every frequency"):
        ParticleSet.read(nothing)
    assert len(ParticleSet.read(nothing, supplement=SHOWN)) == N
