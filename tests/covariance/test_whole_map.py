"""A map with all regions, brought onto the grey scale of maps that lack some."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryofocus.covariance.regions import Region, region_masses
from cryofocus.covariance.whole_map import match_whole_map
from cryofocus.maths.filters import filter_shells

BOX = 32
SHELLS = np.arange(BOX // 2 + 1)
OCCUPANCY = np.array([0.3, 1.0, 0.6, 1.0])
CENTRES = ((16, 16, 6), (16, 16, 26), (6, 16, 16), (26, 16, 16))


def ball(centre: tuple[int, ...], radius: float) -> np.ndarray:
    z, y, x = (np.arange(BOX) - place for place in centre)
    return z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2


@cache
def parts() -> tuple[np.ndarray, np.ndarray]:
    """A body of grains and four lumps at its surface, without their lowest frequencies."""
    generator = np.random.default_rng(1)
    grains = generator.uniform(0, 2, (BOX,) * 3).astype(np.float32)
    lumps = np.stack([ball(centre, 4.0) for centre in CENTRES])
    body = ball((16, 16, 16), 9.0) & ~lumps.any(axis=0)
    # Each map has dark surroundings, as when every background is brought to zero.
    keep = (1 - np.exp(-((SHELLS / 2.0) ** 2))) * np.exp(-((SHELLS / 9.0) ** 2))
    cut = [filter_shells(np.asarray(grains * one, np.float32), keep) for one in (body, *lumps)]
    return np.asarray(cut[0]), np.stack(cut[1:])


REGIONS = tuple(Region(f"lump{k}", ball(centre, 4.0)) for k, centre in enumerate(CENTRES))


def consensus() -> np.ndarray:
    """The average over particles, of which some lack lumps, as noisy as reconstructions are."""
    body, lumps = parts()
    noise = 0.01 * np.random.default_rng(2).standard_normal(body.shape)
    return np.asarray(body + np.tensordot(OCCUPANCY, lumps, 1) + noise, np.float32)


def whole_map() -> np.ndarray:
    body, lumps = parts()
    return np.asarray(body + lumps.sum(axis=0), np.float32)


def expected() -> np.ndarray:
    """The same without noise, on one grey scale: what lumps lack is darker than the solvent."""
    body, lumps = parts()
    dense = consensus() > 0.05
    average = np.asarray(body + np.tensordot(OCCUPANCY, lumps, 1), np.float32)
    masses = [region_masses(one, REGIONS, dense, 1.0) for one in (average, whole_map())]
    return np.asarray(masses[0] / masses[1])


def occupancies(whole: np.ndarray, density: np.ndarray) -> np.ndarray:
    dense = density > 0.05
    matched = match_whole_map(np.asarray(whole, np.float32), density, REGIONS, dense)
    masses = [region_masses(one, REGIONS, dense, 1.0) for one in (density, matched)]
    return np.asarray(masses[0] / masses[1])


def test_occupancies_are_the_true_ones() -> None:
    """Regions that are always there have 1, others what particles without them leave."""
    np.testing.assert_allclose(expected()[[1, 3]], 1, atol=0.03)
    assert (expected()[[0, 2]] < [0.35, 0.65]).all()
    np.testing.assert_allclose(occupancies(whole_map(), consensus()), expected(), atol=0.04)


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(0.01, 100.0),
    offset=st.floats(-2.0, 2.0),
    b_factor=st.floats(-0.02, 0.01),
)
def test_scale_baseline_and_sharpness_of_the_whole_map_do_not_matter(
    scale: float, offset: float, b_factor: float
) -> None:
    """A sharpened or blurred map on another scale and baseline gives the same occupancies."""
    changed = filter_shells(
        np.asarray(whole_map(), np.float32), np.exp(-b_factor * SHELLS.astype(float) ** 2)
    )
    found = occupancies(scale * (changed + offset), consensus())
    np.testing.assert_allclose(found, expected(), atol=0.05)


def test_a_map_is_matched_to_itself_as_it_is() -> None:
    """Nothing has to change."""
    density = consensus()
    matched = match_whole_map(density, density, REGIONS, density > 0.05)
    np.testing.assert_allclose(matched, density, atol=1e-3)


def test_regions_that_cover_everything() -> None:
    """Without anything outside of regions the whole map is the measure: nothing breaks."""
    density = consensus()
    all_of_it = [Region("all", np.ones(density.shape, bool))]
    matched = match_whole_map(3 * density, density, all_of_it, density > 0.05)
    np.testing.assert_allclose(matched, density, atol=1e-3)
