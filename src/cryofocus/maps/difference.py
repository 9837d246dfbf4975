"""Difference maps: one map minus another of the same amplitude, and how sure the difference is.

The mathematics is in docs/derivations/difference-maps.md; equation numbers refer to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import gaussian_filter

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.maths.filters import expand_shells, lowpass_curve
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import n_shells
from cryofocus.maths.shells import (
    FSC_LIMIT,
    first_shell_below,
    fourier_shell_correlation,
    shell_mean_3d,
)

NOISE_WINDOW_RESOLUTIONS = 2.5
"""Standard deviation of the window noise is averaged over, in units of the resolution limit."""

Halves = tuple[Volume, Volume]


@dataclass(frozen=True, eq=False)
class Difference:
    """A difference map.

    Attributes:
        data: `(box, box, box)` first map minus scaled second map.
        significance: The same over its standard error in every voxel; None without half maps.
        scale: `(box//2+1,)` what the second map was multiplied by in each shell.
        last_shell: Last Fourier shell that was used whole.
    """

    data: Volume
    significance: Volume | None
    scale: Float64[np.ndarray, " n_shells"]
    last_shell: float


@dataclass(frozen=True)
class DifferencePeak:
    """Where a difference is largest, and how far it extends.

    Attributes:
        index: Voxel (z, y, x) of the highest significance or, without half maps, density.
        density: Density there.
        significance: Significance there; None without half maps.
        volume_cubic_angstrom: Of the voxels that reach the threshold.
    """

    index: tuple[int, int, int]
    density: float
    significance: float | None
    volume_cubic_angstrom: float


@checked
def subtract_map(
    first: Volume,
    second: Volume,
    last_shell: float,
    *,
    halves: tuple[Halves, Halves] | None = None,
    mask: Volume | None = None,
) -> Difference:
    """First map minus the second, which is scaled to the first's amplitude in every shell.

    Args:
        first: Map.
        second: Map on the same grid.
        last_shell: Finer shells are left out; `box//2` or more leaves out none.
        halves: Two pairs of arrays (z, y, x): unfiltered half maps of the first and of the second
            map. They make the scale free of noise, bring the significance, and limit the band to
            shells in which both agree.
        mask: Where amplitudes are compared; the difference itself is not masked.
    """
    box = first.shape[0]
    fsc = significance = None
    if halves is not None:
        fsc = (_half_map_fsc(halves[0], mask), _half_map_fsc(halves[1], mask))
        last_shell = min(last_shell, *(first_shell_below(curve, FSC_LIMIT) - 1 for curve in fsc))
        last_shell = max(last_shell, 1)
        means = [(pair[0] + pair[1]) / 2 for pair in halves]
        half_scale = amplitude_scale(means[0], means[1], fsc=fsc, mask=mask)
        significance = _significance(halves, half_scale, last_shell)
    scale = amplitude_scale(first, second, fsc=fsc, mask=mask)
    difference = _scaled_difference(first, second, scale, min(last_shell, box))
    return Difference(difference, significance, scale, last_shell)


def amplitude_scale(
    first: Volume,
    second: Volume,
    *,
    fsc: tuple[Float64[np.ndarray, " n_shells"], Float64[np.ndarray, " n_shells"]] | None = None,
    mask: Volume | None = None,
) -> Float64[np.ndarray, " n_shells"]:
    """Factor that gives the second map the first one's signal amplitude in each shell (eq. 1).

    Args:
        first: Map.
        second: Map on the same grid.
        fsc: Two arrays (box//2+1,): FSC of the half maps of each; without it all power counts as
            signal.
        mask: Where amplitudes are compared.

    Returns:
        0 where the second map is empty. Shell 0, a single coefficient, takes the value of the
            next: a scale of its own would only wipe out the difference of the means.
    """
    box = first.shape[0]
    powers = [
        shell_mean_3d(np.abs(forward_3d(_inside(volume, mask))) ** 2, box)
        for volume in (first, second)
    ]
    if fsc is not None:
        powers = [power * _signal_share(curve) for power, curve in zip(powers, fsc, strict=True)]
    ratio = np.divide(powers[0], powers[1], out=np.zeros(n_shells(box)), where=powers[1] > 0)
    scale = np.sqrt(ratio)
    scale[0] = scale[1]
    return np.asarray(scale)


def regression_residual(volume: Volume, reference: Volume) -> Volume:
    """Subtract a reference, scaled to explain as much of the volume as it can in every shell.

    D = A - s(shell) B with the least-squares scale s = Re<A, B> / <B, B>, so that different
    filtering does not show up as difference. A ratio of amplitudes would count the noise of A as
    signal, and leave a negative ghost of B, unless half maps tell the two apart (`subtract_map`).

    Args:
        volume: Map A.
        reference: Map B, on the same grid.

    Returns:
        D; where the reference has no power, nothing is subtracted.
    """
    box = volume.shape[0]
    half, other = forward_3d(volume), forward_3d(reference)
    common = shell_mean_3d((half * other.conj()).real, box)
    power = shell_mean_3d(np.abs(other) ** 2, box)
    scale = np.divide(common, power, out=np.zeros(n_shells(box)), where=power > 0)
    half -= expand_shells(scale, box).astype(np.float32) * other
    return np.asarray(inverse_3d(half, box), np.float32)


def merge_maxima(maps: Iterable[Volume], *, absolute: bool = False) -> Volume:
    """Voxelwise maximum over maps, starting from zero.

    Args:
        maps: At least one, on one grid.
        absolute: Take the maximum of absolute values; otherwise negative density counts as none.

    Raises:
        ValueError: Without a map.
    """
    merged: Volume | None = None
    for volume in maps:
        so_far = np.zeros_like(volume) if merged is None else merged
        merged = np.maximum(so_far, np.abs(volume) if absolute else volume)
    if merged is None:
        raise ValueError("no map to merge")
    return merged


@checked
def find_peak(
    difference: Difference,
    voxel_size_angstrom: float,
    threshold: float,
    mask: Volume | None = None,
) -> DifferencePeak:
    """Find the place of the largest positive difference and the volume of all of it.

    Args:
        difference: From `subtract_map`.
        voxel_size_angstrom: Å per voxel.
        threshold: In standard errors or, without half maps, in standard deviations of the
            difference map.
        mask: Where to look.
    """
    where = np.ones(difference.data.shape, bool) if mask is None else mask > 0.5
    if difference.significance is not None:
        measure = difference.significance
    else:
        measure = difference.data / max(float(difference.data.std()), np.finfo(np.float32).tiny)
    flat = int(np.where(where, measure, -np.inf).argmax())
    z, y, x = (int(i) for i in np.unravel_index(flat, measure.shape))
    n_voxels = int(np.count_nonzero(where & (measure >= threshold)))
    return DifferencePeak(
        index=(z, y, x),
        density=float(difference.data[z, y, x]),
        significance=None if difference.significance is None else float(measure[z, y, x]),
        volume_cubic_angstrom=n_voxels * voxel_size_angstrom**3,
    )


def _significance(
    halves: tuple[Halves, Halves], scale: Float64[np.ndarray, " n"], last_shell: float
) -> Volume:
    """Difference of the mean half maps over its standard error in every voxel (eqs. 2 and 3)."""
    first, second = (
        _scaled_difference(a, b, scale, last_shell) for a, b in zip(*halves, strict=True)
    )
    window = NOISE_WINDOW_RESOLUTIONS * len(first) / last_shell
    variance = gaussian_filter(((first - second) / 2) ** 2, window, mode="nearest")
    error = np.sqrt(np.maximum(variance, np.finfo(np.float32).tiny))
    return np.asarray((first + second) / 2 / error, np.float32)


def _scaled_difference(
    first: Volume, second: Volume, scale: Float64[np.ndarray, " n"], last_shell: float
) -> Volume:
    box = first.shape[0]
    half = forward_3d(first)
    half -= expand_shells(scale, box).astype(np.float32) * forward_3d(second)
    if last_shell < box // 2:
        half *= expand_shells(lowpass_curve(box, last_shell), box)
    return np.asarray(inverse_3d(half, box), np.float32)


def _half_map_fsc(halves: Halves, mask: Volume | None) -> Float64[np.ndarray, " n_shells"]:
    box = halves[0].shape[0]
    first, second = (forward_3d(_inside(half, mask)) for half in halves)
    return fourier_shell_correlation(first, second, box)


def _signal_share(fsc: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Share of signal in the power of the mean of two half maps: 2 FSC / (1 + FSC)."""
    clipped = np.clip(fsc, FSC_LIMIT, 1.0)
    return np.asarray(2 * clipped / (1 + clipped))


def _inside(volume: Volume, mask: Volume | None) -> Volume:
    return volume if mask is None else volume * mask
