"""FSC: equal to its definition, free of the mask, and where it falls below a threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryofocus.maps.resolution import measure_fsc, randomise_phases
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.shells import crossing_shell, is_resolved


def fsc_by_definition(first: np.ndarray, second: np.ndarray) -> list[float]:
    """Full complex transforms, one coefficient after the other."""
    box = len(first)
    a, b = np.fft.fftn(first.astype(complex)), np.fft.fftn(second.astype(complex))
    sums = [[0.0, 0.0, 0.0] for _ in range(box // 2 + 1)]
    for place in np.ndindex(a.shape):
        signed = [k if k <= box / 2 else k - box for k in place]
        shell = math.floor(math.sqrt(sum(k * k for k in signed)) + 0.5)
        if shell > box // 2:
            continue
        u, v = complex(a[place]), complex(b[place])
        sums[shell][0] += u.real * v.real + u.imag * v.imag
        sums[shell][1] += u.real**2 + u.imag**2
        sums[shell][2] += v.real**2 + v.imag**2
    return [cross / math.sqrt(p * q) for cross, p, q in sums]


@pytest.mark.parametrize("box", [14, 15])
def test_fsc_is_its_definition(box: int) -> None:
    """Unmasked and masked curves agree with plain loops over all coefficients to 1e-6."""
    generator = np.random.default_rng(box)
    signal = generator.normal(size=(box,) * 3)
    first, second = (
        (signal + generator.normal(0, 0.7, signal.shape)).astype(np.float32) for _ in range(2)
    )
    mask = sphere_mask(box, 1.0, (1, 0, -1), 3.0, 3.0)
    before = first.copy()
    curves = measure_fsc(first, second, mask)
    np.testing.assert_allclose(curves.unmasked, fsc_by_definition(first, second), atol=1e-6)
    assert curves.masked is not None
    masked = fsc_by_definition(
        first.astype(float) * mask.astype(float), second.astype(float) * mask.astype(float)
    )
    np.testing.assert_allclose(curves.masked, masked, atol=1e-6)
    np.testing.assert_array_equal(first, before)


def test_identical_maps_are_seen() -> None:
    """A map and a multiple of itself are one map; with a little noise they are two."""
    generator = np.random.default_rng(1)
    volume = generator.normal(size=(16, 16, 16)).astype(np.float32)
    assert measure_fsc(volume, 3 * volume).are_identical
    other = volume + generator.normal(0, 0.1, volume.shape).astype(np.float32)
    assert not measure_fsc(volume, other).are_identical


@pytest.mark.parametrize("box", [16, 17])
def test_random_phases_keep_amplitudes(box: int) -> None:
    """Amplitudes stay, phases stay up to the shell, and beyond it are unrelated to before."""
    generator = np.random.default_rng(2)
    half = forward_3d(generator.normal(size=(box,) * 3)).astype(np.complex64)
    after = forward_3d(randomise_phases(half, box, 4, generator))
    np.testing.assert_allclose(np.abs(after), np.abs(half), atol=1e-5 * np.abs(half).max())
    correlation = measure_fsc(
        inverse_3d(half, box).astype(np.float32), inverse_3d(after, box).astype(np.float32)
    ).unmasked
    np.testing.assert_allclose(correlation[:4], 1, atol=1e-6)
    assert np.abs(correlation[5:]).max() < 0.3


def test_correction_removes_what_a_tight_mask_brings() -> None:
    """Where half maps hold noise only, a tight mask correlates them; corrected, they are not."""
    box, generator = 40, np.random.default_rng(3)
    coarse = (np.arange(box // 2 + 1) <= 6).astype(float)
    mask = sphere_mask(box, 1.0, (0, 0, 0), 5.0, 0.0)
    masked, corrected = [], []
    for _ in range(6):
        signal = 20 * filter_shells(generator.normal(size=(box,) * 3), coarse)
        first, second = (
            (signal + generator.normal(size=signal.shape)).astype(np.float32) for _ in range(2)
        )
        curves = measure_fsc(first, second, mask)
        assert curves.masked is not None
        assert curves.randomised_from == 7
        np.testing.assert_array_equal(curves.corrected[:9], curves.masked[:9])
        masked.append(curves.masked[10:])
        corrected.append(curves.corrected[10:])
    assert np.mean(masked) > 0.2
    assert abs(np.mean(corrected)) < 0.05
    again = measure_fsc(first, second, mask)
    np.testing.assert_array_equal(again.corrected, curves.corrected)


@pytest.mark.parametrize(
    ("curve", "threshold", "shell"),
    [
        ([1, 1, 0.6, 0.4, 0.1, 0], 0.5, 2.5),
        ([1, 1, 0.4, 0.6, 0.1, 0], 0.5, 3.2),  # a single shell below does not decide
        ([1, 1, 1, 1, 1, 0.9], 0.5, 5.0),
        ([0.1, 0.1, 0, 0, 0, 0], 0.5, 1.0),
    ],
)
def test_crossing_is_linear_between_shells(
    curve: list[float], threshold: float, shell: float
) -> None:
    """The crossing lies between the last shell above and the first below, or at Nyquist."""
    assert crossing_shell(np.array(curve, float), threshold) == pytest.approx(shell)


@pytest.mark.parametrize("radius", [None, 9.0])
def test_noise_is_not_resolved(radius: float | None) -> None:
    """Half maps that share nothing have no resolution, masked or not; those that do have one."""
    box, generator = 32, np.random.default_rng(5)
    mask = None if radius is None else sphere_mask(box, 1.0, (0, 0, 0), radius, 4.0)
    smooth = np.exp(-((np.arange(box // 2 + 1) / 5.0) ** 2))
    signal = 8 * filter_shells(generator.normal(size=(box,) * 3).astype(np.float32), smooth)
    found = {False: 0, True: 0}
    for _ in range(20):
        halves = generator.normal(size=(2, *(box,) * 3)).astype(np.float32)
        for has_signal in found:
            first, second = halves + has_signal * signal
            found[has_signal] += is_resolved(measure_fsc(first, second, mask).corrected)
    assert found[True] == 20
    assert found[False] <= 1
