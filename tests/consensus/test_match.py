"""Sums by which images are matched with the consensus, against their definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import matched_chunk
from cryofocus.consensus.images import ImageChunk
from cryofocus.consensus.match import (
    N_BANDS,
    ImageMatch,
    allocate_match,
    choose_bands,
    join_matches,
    measure_match,
)
from planted import N_SHELLS, plant, prepare

EDGES = (1, 4, 7, 10)


def some_chunk() -> tuple[ImageChunk, Band]:
    """Prepared images of a few planted particles."""
    images = prepare(plant())[1].images
    band = Band.disc(images.particles.box, 10)
    return images.load(band, np.arange(3, 8)), band


def measure(chunk: ImageChunk, band: Band, slices: np.ndarray) -> ImageMatch:
    """Match a chunk with slices under the planted noise."""
    noise = prepare(plant())[1].noise
    return measure_match(band, EDGES, matched_chunk(chunk, band, noise), slices)


def some_slices(band: Band, n: int) -> np.ndarray:
    """Slices of nothing in particular."""
    rng = np.random.default_rng(4)
    return (rng.normal(size=(n, len(band))) + 1j * rng.normal(size=(n, len(band)))).astype(
        np.complex64
    )


def test_sums_are_those_of_the_definition() -> None:
    """Every sum is that over the plane's coefficients of the band, in any unit of the weight."""
    chunk, band = some_chunk()
    slices = some_slices(band, 5)
    found = measure(chunk, band, slices)
    sigma2 = 1 / prepare(plant())[1].noise.precision(band, chunk.groups, chunk.ctf)
    weight = chunk.ctf**2 / sigma2
    predicted = chunk.ctf * slices
    power = np.abs(chunk.transforms - predicted) ** 2 / sigma2
    unit = (
        found.weight[0, 0]
        / (weight[0] * band.hermitian)[(band.shells >= 1) & (band.shells < 4)].sum()
    )
    for number, (first, last) in enumerate(pairwise(EDGES)):
        inside = (band.shells >= first) & (band.shells < last)

        def total(term: np.ndarray, inside: np.ndarray = inside) -> np.ndarray:
            return (term * band.hermitian)[:, inside].sum(axis=1)

        linear = (chunk.transforms.conj() * predicted).real / sigma2
        expected = (
            np.ones_like(linear),
            *(linear, np.abs(predicted) ** 2 / sigma2, power),
            *(unit * power * weight, unit * weight, unit**2 * weight**2),
        )
        for sums, term in zip(found.sums, expected, strict=True):
            np.testing.assert_allclose(sums[:, number], total(term), rtol=2e-4, atol=1e-3)


def test_images_written_multiplied_by_their_ctf_match_alike() -> None:
    """Multiplying an image by its CTF, and saying so, changes no sum."""
    chunk, band = some_chunk()
    slices = some_slices(band, 5)
    multiplied = replace(
        chunk, transforms=chunk.transforms * chunk.ctf, is_premultiplied=np.ones(5, bool)
    )
    for plain, other in zip(
        measure(chunk, band, slices).sums, measure(multiplied, band, slices).sums, strict=True
    ):
        np.testing.assert_allclose(other, plain, rtol=1e-3, atol=1e-3)


def test_parts_join_to_the_whole() -> None:
    """Matches of two halves, joined, are those of all, and taking undoes it."""
    chunk, band = some_chunk()
    whole = measure(chunk, band, some_slices(band, 5))
    first, rest = whole.take(np.arange(2)), whole.take(np.arange(2, 5))
    for joined, expected in zip(join_matches([first, rest]).sums, whole.sums, strict=True):
        np.testing.assert_array_equal(joined, expected)
    assert len(whole) == 5


def test_parts_put_in_place_make_the_whole() -> None:
    """Written by particle in any order, parts make what was measured; alone, none is copied."""
    chunk, band = some_chunk()
    whole = measure(chunk, band, some_slices(band, 5))
    room = allocate_match(5, EDGES)
    for which in (np.array([4, 2]), np.array([0, 1, 3])):
        room.put(which, whole.take(which))
    for found, expected in zip(room.sums, whole.sums, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert join_matches([room]) is room


@pytest.mark.parametrize("n_shells", [3, N_SHELLS])
def test_bands_divide_the_shells(n_shells: int) -> None:
    """Bands leave out the mean grey value alone, and are no more than the shells allow."""
    edges = choose_bands(prepare(plant())[1], n_shells)
    assert edges[0] == 1
    assert edges[-1] == n_shells
    assert list(edges) == sorted(set(edges))
    assert len(edges) - 1 <= min(N_BANDS, n_shells - 1)
    assert len(edges) > 2
