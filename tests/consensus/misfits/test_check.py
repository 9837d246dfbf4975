"""One check of images against their table, whatever command asks."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.match import choose_bands, join_matches
from cryofocus.consensus.misfits.alternatives import with_shifts
from cryofocus.consensus.misfits.check import TableCheck, check_table
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.data.particles import ParticleSet
from planted import KERNELS
from samples import Beads, form_images, make_particles, wrap_images

BOX, N_SHELLS, N = 24, 10, 200


def check(particles: ParticleSet, pixels: np.ndarray) -> TableCheck:
    """Check images told so."""
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    consensus = estimate_consensus(wrap_images(particles, pixels), half_set, KERNELS)
    edges, band = choose_bands(consensus, N_SHELLS), Band.disc(BOX, N_SHELLS)
    background = whole_consensus(consensus, KERNELS)
    parts = matched_residuals(background, consensus.image_model, band, edges)
    match = join_matches([part.match for part in parts if part.match is not None])
    return check_table(consensus, match, half_set, KERNELS)


def test_a_right_table_has_views_and_a_wrong_one_misfits() -> None:
    """Whether the consensus is a ball is asked only where nothing else is wrong."""
    rng = np.random.default_rng(4)
    particles = make_particles(N, BOX, rng)
    beads = Beads(rng.normal(0, 10, (30, 3)), 5.0, np.full(30, 150.0))
    pixels = form_images(particles, 2 * beads.slices(particles.rotation, BOX), 15.0, rng)
    right = check(particles, pixels)
    assert right.misfits == ()
    assert right.roundness is not None
    assert not right.roundness.is_ball
    assert len(right.match) == len(right.particles) == N
    wrong = check(with_shifts(particles, -1), pixels)
    assert [one.fault for one in wrong.misfits] == ["shift"]
    assert wrong.roundness is None
