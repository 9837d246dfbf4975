"""Sub-particles: where they lie, what becomes of their pose and defocus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryofocus.consensus.subparticles import (
    SubParticles,
    centre_of_mass_angstrom,
    cut_images,
    locate_subparticles,
)
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import rotation_from_euler
from samples import MICROSCOPE, PIXEL_SIZE, Beads, form_images, make_particles

BOX, N = 48, 12
CENTRE = (16.0, -12.0, 20.0)

# One particle and its sub-particles at six symmetry-related places, as ISECC's script wrote them
# (goetschius/isecc, BSD-3-Clause; Goetschius et al. 2021): rot, tilt, psi, x, y, defocus U.
ISECC_PARENT = (-23.43405, 23.114279, -69.18217, -0.73605, 0.363950, 30876.811323)
ISECC_COPIES = np.array(
    [
        (-23.43405, 23.114279, -69.18217, 73.250616, 135.381914, 31096.288548),
        (23.43405, 156.885721, 110.81783, -80.643054, -57.984943, 30627.643895),
        (84.440895, 61.650477, -148.633007, -159.089127, 149.585129, 31033.436583),
        (126.482312, 119.83805, -133.309363, -169.659485, 192.387602, 30796.400379),
        (-143.998758, 130.818514, -58.752783, 56.127359, 204.632834, 30712.753695),
        (-94.167827, 77.159618, -29.740257, 206.26507, 169.396576, 30898.086594),
    ]
)
ISECC_CENTRE = (-41.215, 40.939, 261.724)


def test_places_and_defocus_are_those_of_isecc() -> None:
    """Origins and defocus of another program's sub-particles are met, z sign included."""
    pixel = 1.1
    particles = make_particles(6, 300, np.random.default_rng(1))
    particles = replace(
        particles,
        pixel_size_angstrom=pixel,
        rotation=rotation_from_euler(ISECC_COPIES[:, :3]),
        shift_angstrom=np.tile(ISECC_PARENT[3:5], (6, 1)),
    )
    found = locate_subparticles(particles, ISECC_CENTRE)
    whole_shift = found.shift_angstrom - found.offset_pixels * pixel
    np.testing.assert_allclose(whole_shift, ISECC_COPIES[:, 3:5], atol=2e-3)
    np.testing.assert_allclose(
        ISECC_PARENT[5] + found.defocus_change_angstrom, ISECC_COPIES[:, 5], atol=2e-3
    )
    assert np.abs(found.shift_angstrom).max() <= pixel / 2 + 1e-9


def test_the_point_lies_in_the_centre_of_the_cut() -> None:
    """A bead at the point is seen at minus the new shift from the cut image's centre."""
    particles = make_particles(N, BOX, np.random.default_rng(2))
    flat = replace(particles.ctf, defocus_u_angstrom=np.zeros(N), defocus_v_angstrom=np.zeros(N))
    particles = replace(particles, ctf=flat)
    bead = Beads(np.array([CENTRE]), 6.0, np.array([1.0]))
    images = form_images(
        particles, bead.slices(particles.rotation, BOX), 0.0, np.random.default_rng(1)
    )
    found = locate_subparticles(particles, CENTRE)
    for edge in (14, 15):
        cut = cut_images(images, found.offset_pixels, edge)
        weight = np.clip(cut / cut.max(axis=(1, 2), keepdims=True) - 0.05, 0, None)
        axis = (np.arange(edge) - edge // 2) * PIXEL_SIZE
        total = weight.sum(axis=(1, 2))
        x, y = weight.sum(axis=1) @ axis / total, weight.sum(axis=2) @ axis / total
        np.testing.assert_allclose(np.stack([x, y], axis=1), -found.shift_angstrom, atol=0.3)


def test_premultiplied_images_move_half_the_defocus() -> None:
    """Images that carry the CTF of their old defocus meet the new one half way."""
    stretched = Microscope(300.0, 2.7, 0.1, magnification_matrix=((1.02, 0.0), (0.0, 1.0)))
    particles = make_particles(
        N,
        BOX,
        np.random.default_rng(2),
        microscopes=[MICROSCOPE, stretched],
        premultiplied=[False, True],
    )
    found = locate_subparticles(particles, CENTRE)
    seen = particles.rotation @ np.array(CENTRE)
    share = np.where(particles.optics_of_particle == 1, 0.5, 1.0)
    np.testing.assert_allclose(found.defocus_change_angstrom, share * seen[:, 2])
    place = found.offset_pixels * PIXEL_SIZE - found.shift_angstrom + particles.shift_angstrom
    stretch = np.where(particles.optics_of_particle == 1, 1.02, 1.0)
    np.testing.assert_allclose(place, seen[:, :2] * np.stack([stretch, np.ones(N)], axis=1))


def test_centre_of_mass_is_a_voxel() -> None:
    """The centre of a mask between voxels is rounded to one of them."""
    mask = np.zeros((9, 9, 9), np.float32)
    mask[2, 3, 5:8] = 1
    mask[2, 3, 8] = 0.5
    assert centre_of_mass_angstrom(mask, 2.0) == (4.0, -2.0, -4.0)


def test_reach_counts_pixels_beyond_the_edge() -> None:
    """A cut that fits reaches nowhere; one that leaves the image says how far."""
    offset = np.array([[0, 0], [3, -2], [-5, 0]])
    found = SubParticles(offset, np.zeros((3, 2)), np.zeros(3))
    assert found.reach_pixels(4, 10).tolist() == [0, 0, 2]
