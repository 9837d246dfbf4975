"""Transforms of volumes whose coarse coefficients count are those of whole volumes."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.bands import corner_3d_cropped, fill_volume, inverse_3d_of_band
from cryofocus.maths.fourier import forward_3d, inverse_3d, resize_half_3d, resize_volume


@pytest.mark.parametrize("boxes", [(15, 8), (16, 9), (16, 8), (15, 7), (16, 16)])
def test_volumes_are_cropped_as_they_are_transformed(
    boxes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some planes at a time, coefficients are those that cropping the whole transform leaves."""
    monkeypatch.setattr("cryofocus.maths.bands.BLOCK_VALUES", 600)
    box, small = boxes
    volume = np.random.default_rng(box).normal(size=(box,) * 3).astype(np.float32)
    expected = resize_half_3d(forward_3d(volume), box, small)
    found = corner_3d_cropped(np.fft.ifftshift(volume), small)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected, atol=1e-4)
    centred = corner_3d_cropped(volume, small, origin=box // 2)
    np.testing.assert_allclose(centred, expected, atol=1e-4)
    part = np.zeros_like(volume)
    part[:5, :5, :5] = volume[:5, :5, :5]
    alone = corner_3d_cropped(volume[:5, :5, :5], small, period=box)
    np.testing.assert_allclose(alone, corner_3d_cropped(part, small), atol=1e-4)


@pytest.mark.parametrize(("last", "box"), [(3, 8), (3, 7), (2, 11), (2, 12)])
def test_a_band_makes_the_volume_of_its_coefficients(last: int, box: int) -> None:
    """Volumes are those of the whole transform, zero beyond the band."""
    k = np.arange(-last, last + 1)
    rng = np.random.default_rng(last)
    whole = forward_3d(rng.normal(size=(box,) * 3).astype(np.float32))
    band = whole[k[:, None], k, : last + 1].copy()
    alone = np.zeros_like(whole)
    alone[k[:, None], k, : last + 1] = band
    whole = inverse_3d(alone, box)
    np.testing.assert_allclose(inverse_3d_of_band(band, box), whole, atol=1e-6)
    within = (slice(2, 5), slice(1, 4), slice(4, 6))
    part = inverse_3d_of_band(band, box, within=within)
    np.testing.assert_allclose(part, whole[within], atol=1e-6)


@pytest.mark.parametrize("boxes", [(8, 15), (9, 16), (8, 16), (7, 15), (8, 8)])
def test_volumes_are_filled_as_they_are_resized(boxes: tuple[int, int]) -> None:
    """Filling the transform with zeros resamples a volume; grey values fall with the voxel."""
    box, large = boxes
    volume = np.random.default_rng(box).normal(size=(box,) * 3).astype(np.float32)
    expected = resize_volume(volume, large) * (box / large) ** 3
    np.testing.assert_allclose(fill_volume(volume, large), expected, atol=1e-6)
