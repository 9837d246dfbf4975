"""Fourier transforms: inverses, Parseval, the phase origin, shifts and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.fourier import (
    forward_2d,
    forward_2d_cropped,
    forward_3d,
    hermitian_weights,
    inverse_2d,
    inverse_2d_rows,
    inverse_3d,
    inverse_3d_of_blocks,
    resize_half_2d,
    resize_half_3d,
    resize_images,
    resize_volume,
    shift_phases,
)

BOXES = [7, 8]


@pytest.mark.parametrize("box", BOXES)
def test_inverse_undoes_forward(box: int) -> None:
    """Images and volumes survive a round trip, and the input is left alone."""
    rng = np.random.default_rng(box)
    images, volume = rng.normal(size=(3, box, box)), rng.normal(size=(box, box, box))
    before = images.copy(), volume.copy()
    np.testing.assert_allclose(inverse_2d(forward_2d(images), box), images, atol=1e-12)
    np.testing.assert_allclose(inverse_3d(forward_3d(volume), box), volume, atol=1e-12)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(volume, before[1])


@pytest.mark.parametrize("box", BOXES)
def test_some_rows_are_those_of_the_whole_image(box: int) -> None:
    """Rows of images of the first columns of a half transform equal the whole images' rows."""
    half = forward_2d(np.random.default_rng(box).normal(size=(3, 2, box, box)))
    half[..., 3:] = 0
    rows = np.array([[0, 1], [2, box - 1], [box // 2, 3]])
    found = inverse_2d_rows(np.moveaxis(half[..., :3], 1, -1), box, rows)
    whole = inverse_2d(half, box)
    for i in range(3):
        expected = np.moveaxis(whole[i][:, rows[i]], 0, -1)
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


@pytest.mark.parametrize("box", BOXES)
def test_parseval(box: int) -> None:
    """With Hermitian weights the half plane carries the energy of the image."""
    images = np.random.default_rng(box).normal(size=(4, box, box))
    power = (np.abs(forward_2d(images)) ** 2 * hermitian_weights(box)).sum(axis=(1, 2))
    np.testing.assert_allclose(power / box**2, (images**2).sum(axis=(1, 2)), rtol=1e-6)


def test_precision_follows_the_input() -> None:
    """Single-precision images give complex64 and come back as float32."""
    half = forward_2d(np.ones((2, 8, 8), np.float32))
    assert half.dtype == np.complex64
    assert inverse_2d(half, 8).dtype == np.float32


@pytest.mark.parametrize("box", BOXES)
def test_centre_is_the_phase_origin(box: int) -> None:
    """A point at the centre pixel has the transform 1 everywhere."""
    image = np.zeros((box, box))
    image[box // 2, box // 2] = 1
    np.testing.assert_allclose(forward_2d(image), 1, atol=1e-12)
    volume = np.zeros((box, box, box))
    volume[box // 2, box // 2, box // 2] = 1
    np.testing.assert_allclose(forward_3d(volume), 1, atol=1e-12)


@pytest.mark.parametrize("box", BOXES)
def test_shift_moves_the_image_forward(box: int) -> None:
    """A shift of +2 pixels in x and -1 in y rolls the image by as much."""
    image = np.random.default_rng(0).normal(size=(1, box, box))
    phases = shift_phases(box, 1.5, np.array([[3.0, -1.5]]))
    moved = inverse_2d(forward_2d(image) * phases, box)
    np.testing.assert_allclose(moved, np.roll(image, (-1, 2), axis=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("boxes", [(9, 7), (7, 7), (9, 5)])
def test_cropping_is_adjoint_to_padding(boxes: tuple[int, int]) -> None:
    """For odd boxes the inner product with a cropped transform is that with the padded one."""
    large, small = boxes
    rng = np.random.default_rng(1)
    a = forward_2d(rng.normal(size=(large, large)))
    b = forward_2d(rng.normal(size=(small, small)))
    left = np.vdot(resize_half_2d(a, large, small), b * hermitian_weights(small))
    right = np.vdot(a, resize_half_2d(b, small, large) * hermitian_weights(large))
    assert left == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize(("box", "new_box"), [(16, 12), (16, 13), (15, 24), (16, 24)])
def test_resampling_a_smooth_image_samples_it_elsewhere(box: int, new_box: int) -> None:
    """A periodic function of low frequency has the values of its formula on the new grid."""

    def formula(n: int) -> np.ndarray:
        axis = (np.arange(n) - n // 2) / n * 2 * np.pi
        return 1 + np.cos(2 * axis + 0.3)[None, :] * np.sin(3 * axis)[:, None]

    resampled = resize_images(formula(box)[None], new_box)[0]
    np.testing.assert_allclose(resampled, formula(new_box), atol=1e-9)


def test_growing_from_an_even_box_drops_nyquist() -> None:
    """The Nyquist row and column of an even box have no place in a larger box."""
    grown = resize_half_2d(np.ones((8, 5), np.complex64), 8, 12)
    assert grown.sum() == 7 * 4
    assert not grown[4].any()
    assert not grown[:, 4:].any()


def test_volumes_are_resized_like_images() -> None:
    """A volume that is constant along z is resized slice by slice as an image."""
    image = np.random.default_rng(2).normal(size=(9, 9))
    volume = np.broadcast_to(image, (9, 9, 9)).copy()
    expected = resize_images(image[None], 6)[0]
    np.testing.assert_allclose(resize_volume(volume, 6)[2], expected, atol=1e-12)
    assert resize_half_3d(forward_3d(volume), 9, 12).shape == (12, 12, 7)


@pytest.mark.parametrize("boxes", [(15, 8), (16, 9), (16, 8), (15, 7), (16, 16)])
def test_transforms_are_cropped_as_they_are_made(boxes: tuple[int, int]) -> None:
    """Transforming fewer columns gives the coefficients that cropping the whole transform does."""
    box, small = boxes
    images = np.random.default_rng(box).normal(size=(3, box, box)).astype(np.float32)
    expected = resize_half_2d(forward_2d(images), box, small)
    np.testing.assert_allclose(forward_2d_cropped(images, small), expected, atol=1e-5)


def test_a_volume_may_be_made_where_its_transform_lay() -> None:
    """Rows that have come are written over by what is made of them; the volume is the same."""
    box, cropped = 12, 6
    half = forward_3d(np.random.default_rng(1).normal(size=(box,) * 3).astype(np.float32))
    rows = [slice(start, start + 5) for start in range(0, box, 5)]
    expected = inverse_3d_of_blocks(((r, half[:, r].copy()) for r in rows), box, cropped)
    place, kept = half.copy(), half.copy()
    blocks = ((r, place[:, r].copy()) for r in rows)
    found = inverse_3d_of_blocks(blocks, box, cropped, room=place[:cropped])
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(place[:cropped], kept[:cropped])
    np.testing.assert_array_equal(place[cropped:], kept[cropped:])
