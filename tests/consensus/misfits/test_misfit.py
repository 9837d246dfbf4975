"""Wrong numbers of the table are found where they are, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.match import choose_bands, join_matches
from cryofocus.consensus.misfits.alternatives import (
    DEGREES_PER_RADIAN,
    Fault,
    with_defocus_angle,
    with_frequencies,
    with_pixels_of_all,
    with_shifts,
)
from cryofocus.consensus.misfits.evidence import Evidence
from cryofocus.consensus.misfits.misfit import Misfit, find_misfits
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.data.particles import ParticleSet
from planted import KERNELS
from samples import (
    MICROSCOPE,
    PIXEL_SIZE,
    SHIFT_SD,
    Beads,
    form_images,
    make_particles,
    wrap_images,
)

BOX, N_SHELLS, N = 40, 18, 600


@cache
def images_of() -> tuple[ParticleSet, np.ndarray]:
    """Images of beads in three optics groups and thirty micrographs, all told rightly."""
    rng = np.random.default_rng(2)
    particles = make_particles(N, BOX, rng, microscopes=(MICROSCOPE,) * 3, defocus=(9e3, 25e3))
    particles = replace(particles, micrograph_of_particle=np.arange(N) // 20)
    beads = Beads(rng.normal(0, 16, (60, 3)), 4.0, np.full(60, 150.0))
    return particles, form_images(particles, beads.slices(particles.rotation, BOX), 15.0, rng)


def find(particles: ParticleSet, pixels: np.ndarray) -> tuple[Misfit, ...]:
    """Look for misfits in images told so."""
    half_set = (1 + np.arange(len(particles)) % 2).astype(np.int8)
    consensus: Consensus = estimate_consensus(wrap_images(particles, pixels), half_set, KERNELS)
    edges, band = choose_bands(consensus, N_SHELLS), Band.disc(BOX, N_SHELLS)
    background = whole_consensus(consensus, KERNELS)
    parts = matched_residuals(background, consensus.image_model, band, edges)
    match = join_matches([part.match for part in parts if part.match is not None])
    return find_misfits(Evidence(consensus, half_set, N_SHELLS, KERNELS), match)


def with_defocus(particles: ParticleSet, rows: np.ndarray, factor: float) -> ParticleSet:
    """The particles with another defocus of some."""
    times, ctf = np.where(rows, factor, 1.0), particles.ctf
    return replace(
        particles,
        ctf=replace(
            ctf,
            defocus_u_angstrom=ctf.defocus_u_angstrom * times,
            defocus_v_angstrom=ctf.defocus_v_angstrom * times,
        ),
    )


def test_images_told_rightly_have_no_misfits() -> None:
    """Neither groups nor micrographs nor the set fit better otherwise."""
    assert find(*images_of()) == ()


def test_shifts_that_are_merely_inaccurate_are_no_misfit() -> None:
    """Half of them would fit better, which is true of all guesses; their unit is right."""
    particles, pixels = images_of()
    errors = np.random.default_rng(3).normal(0, SHIFT_SD, particles.shift_angstrom.shape)
    assert find(replace(particles, shift_angstrom=particles.shift_angstrom + errors), pixels) == ()


@pytest.mark.parametrize(
    ("fault", "told", "right"),
    [
        ("shift", lambda p: with_shifts(p, 1 / PIXEL_SIZE), PIXEL_SIZE),
        ("shift", lambda p: with_shifts(p, PIXEL_SIZE), 1 / PIXEL_SIZE),
        ("shift", lambda p: with_shifts(p, -1), -1),
        ("pixel size", lambda p: with_frequencies(p, 2), 0.5),
        ("pixel size", lambda p: with_pixels_of_all(p, 0.5), 2),
        ("defocus angle", lambda p: with_defocus_angle(p, 1 / DEGREES_PER_RADIAN), 57.3),
    ],
)
def test_a_unit_wrong_in_all_images_is_found(
    fault: Fault, told: Callable[[ParticleSet], ParticleSet], right: float
) -> None:
    """Shifts in pixels called Å and the reverse, a sign, pixels of the movie, radians."""
    particles, pixels = images_of()
    (found,) = find(told(particles), pixels)
    assert (found.kind, found.fault) == ("set", fault)
    assert found.factor == pytest.approx(right, rel=0.01)


def test_micrographs_with_images_in_another_order_are_named() -> None:
    """Any pose fits them as well as their own; those of the others fit theirs."""
    particles, pixels = images_of()
    order = np.arange(N)
    for micrograph in (3, 8):
        rows = np.flatnonzero(particles.micrograph_of_particle == micrograph)
        order[rows] = np.random.default_rng(1).permutation(rows)
    moved = replace(
        particles,
        rotation=particles.rotation[order],
        shift_angstrom=particles.shift_angstrom[order],
        ctf=particles.ctf.take(order),
    )
    found = find(moved, pixels)
    assert {(one.group, one.fault) for one in found} == {(3, "pose"), (8, "pose")}


def test_a_group_of_wrong_defocus_is_named_with_what_would_be_right() -> None:
    """Of three groups, the one told 1.4 times its defocus, and that 0.71 times would fit."""
    particles, pixels = images_of()
    wrong = with_defocus(particles, particles.optics_of_particle == 1, 1.4)
    (found,) = find(wrong, pixels)
    assert (found.kind, found.group, found.fault) == ("optics group", 1, "defocus")
    assert found.factor == pytest.approx(0.71, abs=0.1)
    assert found.n_images == 200


def test_micrographs_of_wrong_defocus_are_named() -> None:
    """Two of thirty micrographs, and no other."""
    particles, pixels = images_of()
    micrographs = particles.micrograph_of_particle
    found = find(with_defocus(particles, (micrographs == 7) | (micrographs == 20), 1.5), pixels)
    assert {(one.kind, one.group, one.fault) for one in found} == {
        ("micrograph", 7, "defocus"),
        ("micrograph", 20, "defocus"),
    }
    assert all(one.factor < 0.85 for one in found)


def test_a_defocus_wrong_in_all_images_is_the_set_s() -> None:
    """Where no group differs from the others, the set is held against itself."""
    particles, pixels = images_of()
    (found,) = find(with_defocus(particles, np.ones(N, bool), 1.4), pixels)
    assert (found.kind, found.fault) == ("set", "defocus")
    assert found.factor < 0.85


def test_a_wrong_pixel_size_of_a_group_is_told_from_a_defocus() -> None:
    """A group told to be magnified 5 % fits better with another pixel size."""
    particles, pixels = images_of()
    first = particles.optics[0]
    magnified = replace(first.microscope, magnification_matrix=((1.05, 0.0), (0.0, 1.05)))
    optics = (replace(first, microscope=magnified), *particles.optics[1:])
    (found,) = find(replace(particles, optics=optics), pixels)
    assert (found.kind, found.group, found.fault) == ("optics group", 0, "pixel size")
    # A third of the set is wrong, so the consensus is a compromise.
    assert 1.01 < found.factor < 1.06


def test_images_multiplied_by_their_ctf_are_not_tried() -> None:
    """They are not to be had with another CTF, so nothing is said of them."""
    particles, pixels = images_of()
    optics = tuple(replace(group, ctf_premultiplied=True) for group in particles.optics)
    assert find(replace(particles, optics=optics), pixels) == ()
