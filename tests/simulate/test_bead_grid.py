"""Grids for beads: as coarse as they can be, and exact all the same."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.simulate.bead_grid import TOLERANCE, BeadGrid

WEIGHT = np.ones(3)


def test_grid_follows_the_beads_not_the_box() -> None:
    """Finer pixels over the same extent do not need more nodes, once all is resolved."""
    sigma = np.array([3.0, 3.5, 4.0])
    coarse, fine = (BeadGrid.choose(sigma, WEIGHT, box, 480 / box) for box in (400, 800))
    assert coarse.edge == fine.edge < 400
    assert coarse.widening_square_angstrom == fine.widening_square_angstrom == 0
    assert fine.band_per_angstrom < 1 / (2 * 480 / 400)
    assert BeadGrid.choose(sigma, WEIGHT, 400, 1.2, at_least=400).edge == 400


def test_unresolved_beads_are_drawn_wider() -> None:
    """Beads much narrower than a pixel are widened, and the band ends at Nyquist."""
    grid = BeadGrid.choose(np.full(3, 0.5), WEIGHT, 40, 5.0)
    assert grid.band_per_angstrom == pytest.approx(0.1)
    assert grid.widening_square_angstrom > 0
    k, raised = grid.frequencies(40)
    assert (k == np.arange(-19, 20)).all()
    assert raised[19] == 1
    assert (np.diff(raised[19:]) > 0).all()


@pytest.mark.parametrize(
    ("sigma", "box", "pixel"),
    [(1.0, 20, 5.0), (1.0, 21, 5.0), (3.5, 20, 5.24), (3.5, 41, 2.6), (2.4, 64, 1.0)],
)
def test_transform_is_exact(sigma: float, box: int, pixel: float) -> None:
    """In every regime a bead's transform is that of the formula, within a few tolerances."""
    rng = np.random.default_rng(8)
    sigmas, weight = sigma * np.array([1.0, 1.2, 2.0]), np.array([1.0, 2.0, 0.5])
    place = rng.uniform(-0.4, 0.4, (1, 3, 2)) * box * pixel
    grid = BeadGrid.choose(sigmas, weight, box, pixel)
    k, raised = grid.frequencies(box)
    drawn = grid.draw_images(place, sigmas, weight[None])[0].astype(np.float64)
    half = np.fft.fft2(drawn)
    found = half[k[:, None], k] * raised[:, None] * raised
    f = k / (box * pixel)
    expected = sum(
        w
        * np.exp(-2j * np.pi * (f[:, None] * y + f * x))
        * np.exp(-2 * np.pi**2 * s**2 * (f[:, None] ** 2 + f**2))
        for (x, y), s, w in zip(place[0], sigmas, weight, strict=True)
    )
    np.testing.assert_allclose(found, expected, atol=40 * TOLERANCE * weight.sum())
    if len(k) < 2 * ((box - 1) // 2) + 1:
        beyond = (len(k) // 2 + 1) / (box * pixel)
        left_out = weight @ np.exp(-2 * (np.pi * sigmas * beyond) ** 2)
        assert left_out <= TOLERANCE * weight.sum()
