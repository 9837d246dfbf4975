"""Exact projections and maps of beads against sums written from the definition."""

from __future__ import annotations

from dataclasses import replace

import finufft
import numpy as np
import pytest

from cryofocus.maths.fourier import inverse_2d
from cryofocus.maths.rotations import random_rotations
from cryofocus.simulate.phantom import PARTS, Phantom, Sphere, humanoid
from cryofocus.simulate.projection import (
    density_around,
    density_map,
    project_parts,
    project_states,
)

PIXEL = 10.0


def few_beads() -> Phantom:
    """Thirty beads of different width and weight, spread over all parts."""
    rng = np.random.default_rng(3)
    sphere = Sphere((0.0, 0.0, 0.0), 1.0)
    return Phantom(
        centre_angstrom=rng.normal(0.0, 20.0, (30, 3)),
        sigma_angstrom=rng.uniform(6.0, 12.0, 30),
        weight=rng.uniform(0.5, 2.0, 30),
        part=np.sort(np.append(np.arange(len(PARTS)), rng.integers(0, len(PARTS), 19))),
        focus=sphere,
        control=sphere,
    )


@pytest.mark.parametrize("box", [12, 13])
def test_projection_is_the_direct_sum_over_beads(box: int) -> None:
    """Each coefficient is sum w exp(-2 pi i f.((A r)[:2] - origin) - 2 pi^2 sigma^2 f^2)."""
    phantom, rng = few_beads(), np.random.default_rng(4)
    rotation, origin = random_rotations(11, rng), rng.normal(0.0, 10.0, (11, 2))
    parts = project_parts(phantom, rotation, origin, box, PIXEL)
    for image in (0, 10):
        for ky in range(-((box - 1) // 2), (box - 1) // 2 + 1):
            for kx in range((box - 1) // 2 + 1):
                f = np.array([kx, ky]) / (box * PIXEL)
                total = 0.0j
                for r, sigma, w in zip(
                    phantom.centre_angstrom, phantom.sigma_angstrom, phantom.weight, strict=True
                ):
                    place = (rotation[image] @ r)[:2] - origin[image]
                    gauss = np.exp(-2 * np.pi**2 * sigma**2 * (f @ f))
                    total += w * np.exp(-2j * np.pi * (f @ place)) * gauss
                assert parts[image, :, ky, kx].sum() == pytest.approx(total, abs=2e-5)


def test_nothing_lies_at_nyquist() -> None:
    """An even box's Nyquist row and column, which no real image defines, are zero."""
    parts = project_parts(few_beads(), np.eye(3)[None], np.zeros((1, 2)), 12, PIXEL)
    assert not parts[:, :, 6].any()
    assert not parts[..., 6].any()


def test_projection_agrees_with_a_nonuniform_fft() -> None:
    """The humanoid's body, seen by FINUFFT, has the same transform."""
    phantom, rng, box, pixel = humanoid(), np.random.default_rng(5), 80, 5.24
    rotation, origin = random_rotations(1, rng), np.array([[7.0, -11.0]])
    body = phantom.part == 0
    place = (phantom.centre_angstrom[body] @ rotation[0].T)[:, :2] - origin
    x, y = (2 * np.pi * place / (box * pixel)).T
    full = finufft.nufft2d1(
        y.copy(), x.copy(), phantom.weight[body].astype(complex), (box, box), isign=-1, eps=1e-9
    )
    k = np.arange(-box // 2, box // 2)
    square = (k[:, None] ** 2 + k**2) / (box * pixel) ** 2
    full = np.fft.ifftshift(full * np.exp(-2 * np.pi**2 * phantom.sigma_angstrom[0] ** 2 * square))
    ours = project_parts(phantom, rotation, origin, box, pixel)[0, 0]
    np.testing.assert_allclose(ours[:40, :40], full[:40, :40], atol=5e-4)
    np.testing.assert_allclose(ours[41:, :40], full[41:, :40], atol=5e-4)


def test_states_are_sums_of_parts() -> None:
    """Projecting a state at once is adding the projections of the parts it shows."""
    phantom, rng = few_beads(), np.random.default_rng(6)
    pose = random_rotations(9, rng), rng.normal(size=(9, 2))
    amplitudes = rng.integers(0, 2, (9, len(PARTS))).astype(np.float32)
    parts = project_parts(phantom, *pose, 12, PIXEL)
    expected = np.einsum("np,npyx->nyx", amplitudes, parts)
    at_once = project_states(phantom, amplitudes, pose, 12, PIXEL)
    np.testing.assert_allclose(at_once, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("box", "pixel"), [(20, PIXEL), (21, PIXEL), (30, 20.0), (31, 20.0), (64, 4.0), (65, 4.0)]
)
def test_the_map_projects_to_the_projection(box: int, pixel: float) -> None:
    """Beads finer than the pixels or coarser, turned: the map along z sums to their projection."""
    phantom = few_beads()
    rotation = random_rotations(1, np.random.default_rng(7))
    turned = replace(phantom, centre_angstrom=phantom.centre_angstrom @ rotation[0].T)
    density = density_map(turned, np.ones(len(PARTS), dtype=np.float32), box, pixel)
    parts = project_parts(phantom, rotation, np.zeros((1, 2)), box, pixel)
    image = inverse_2d(parts.sum(axis=1), box)[0]
    np.testing.assert_allclose(density.sum(axis=0), image, atol=3e-6 * image.max())
    assert density.sum() == pytest.approx(phantom.weight.sum(), rel=1e-6)


def test_part_that_is_not_there_leaves_an_empty_map() -> None:
    """Without any bead there is no density."""
    assert not density_map(few_beads(), np.zeros(len(PARTS)), 12, PIXEL).any()


@pytest.mark.parametrize("box", [36, 80])
def test_beads_that_voxels_resolve_are_drawn_where_they_are(box: int) -> None:
    """In a cube around them the density is that of the map, and outside there is none."""
    phantom, pixel = few_beads(), 200.0 / box
    within = replace(phantom, centre_angstrom=np.clip(phantom.centre_angstrom, -15, 20))
    place, density = density_around(within, box, pixel)
    whole = density_map(within, np.ones(len(PARTS)), box, pixel)
    found = np.zeros_like(whole)
    found[place] = density
    assert (density.size < whole.size) == (pixel < 3)
    np.testing.assert_allclose(found, whole, atol=1e-4 * whole.max())
