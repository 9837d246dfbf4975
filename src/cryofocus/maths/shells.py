"""Averages over Fourier shells of volumes, Fourier shell correlation and what follows from it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float, Float64

from cryofocus.maths.fourier import hermitian_weights
from cryofocus.maths.grids import n_shells, shell_planes_3d

# Where the Fourier shell correlation of two half maps ends their resolution (Rosenthal &
# Henderson 2003).
FSC_LIMIT, FSC_HALF = 0.143, 0.5
# Shells correlate when they do so by this many standard errors together.
SURE = 3.0
MEDIAN_OF_SQUARES = 0.455
"""Of a standard normal variable."""


def shell_mean_3d(
    values: Float[np.ndarray, "box box half"], box: int
) -> Float64[np.ndarray, " n"]:
    """Average a half volume over each complete shell of the full volume.

    Returns `box//2 + 1` means; corners beyond the last shell are left out.
    """
    n = n_shells(box)
    weights, sums = hermitian_weights(box).astype(np.float64), np.zeros(n)
    for plane, shells in zip(values, shell_planes_3d(box), strict=True):
        index = np.minimum(shells, n).ravel()
        sums += np.bincount(index, (weights * plane).ravel(), minlength=n + 1)[:n]
    return np.asarray(sums / _shell_counts(box))


@lru_cache(maxsize=16)
def _shell_counts(box: int) -> Float64[np.ndarray, " n"]:
    """Count the coefficients of each complete shell of a volume's whole transform."""
    n, counts = n_shells(box), np.zeros(n_shells(box))
    weights = np.broadcast_to(hermitian_weights(box), (box, box // 2 + 1)).ravel()
    for shells in shell_planes_3d(box):
        counts += np.bincount(np.minimum(shells, n).ravel(), weights, minlength=n + 1)[:n]
    return counts


def fourier_shell_correlation(
    first: Complex[np.ndarray, "box box half"],
    second: Complex[np.ndarray, "box box half"],
    box: int,
) -> Float64[np.ndarray, " n"]:
    """Return the correlation of two half transforms in each shell, 0 where either is empty.

    FSC = sum Re(F1 conj F2) / sqrt(sum |F1|^2 sum |F2|^2) (Harauz & van Heel 1986).
    """
    n = n_shells(box)
    weights = np.broadcast_to(hermitian_weights(box), first.shape[1:]).astype(np.float64).ravel()
    cross, power_1, power_2 = np.zeros((3, n))
    # Plane by plane, because transforms of large boxes fill the memory by themselves.
    for one, other, shells in zip(first, second, shell_planes_3d(box), strict=True):
        index = np.minimum(shells, n).ravel()
        for total, values in (
            (cross, (one * np.conj(other)).real),
            (power_1, np.abs(one) ** 2),
            (power_2, np.abs(other) ** 2),
        ):
            total += np.bincount(index, weights * values.ravel(), minlength=n + 1)[:n]
    power = np.sqrt(power_1 * power_2)
    return np.asarray(np.divide(cross, power, out=np.zeros(n), where=power > 0))


def first_shell_below(fsc: Float[np.ndarray, " n"], threshold: float) -> int:
    """Return the first shell (from 1) where the FSC falls below a threshold and stays there.

    "Stays" means for that shell and the next, so that a single noisy shell does not decide;
    the number of shells if it never falls. Bands and filters end here, for they hold whole
    shells; the resolution that is told is that of `resolved_shell`.
    """
    below = np.asarray(fsc) < threshold
    below[0] = False
    lasting = below & np.append(below[1:], below[-1])
    return int(np.argmax(lasting)) if lasting.any() else len(below)


def crossing_shell(fsc: Float[np.ndarray, " n"], threshold: float) -> float:
    """Return where the FSC falls below a threshold to stay, interpolated linearly between shells.

    The last shell if it never falls.
    """
    shell = first_shell_below(fsc, threshold)
    if shell == len(fsc):
        return float(shell - 1)
    above, below = float(fsc[shell - 1]), float(fsc[shell])
    if above <= threshold:
        return float(shell)
    return shell - 1 + (above - threshold) / (above - below)


def is_resolved(fsc: Float[np.ndarray, " n"]) -> bool:
    """Tell whether the FSC is above noise before it falls below 0.143 to stay.

    Half maps of noise correlate by chance in their first shells, which have few coefficients:
    some 2 pi s^2 in shell s, of which a mask leaves fewer independent. How many fewer, the outer
    half of the shells shows, by how much they fluctuate around zero.
    """
    shell, middle = first_shell_below(fsc, FSC_LIMIT), len(fsc) // 2
    weight = 2 * np.pi * np.arange(len(fsc), dtype=np.float64) ** 2
    outside = float(np.median(weight[middle:] * fsc[middle:] ** 2)) / MEDIAN_OF_SQUARES
    variance = max(outside, 1.0) if shell < middle else 1.0
    inside = slice(1, shell)
    error = np.sqrt(variance * weight[inside].sum())
    return shell > 1 and bool((weight[inside] * fsc[inside]).sum() > SURE * error)


def resolved_shell(fsc: Float[np.ndarray, " n"]) -> float:
    """Return the shell, rarely a whole one, to which half maps resolve: every resolution told.

    Where their FSC falls below 0.143; the first shell where they agree no better than noise.
    """
    return crossing_shell(fsc, FSC_LIMIT) if is_resolved(fsc) else 1.0


def shell_resolution_angstrom(shell: float, box: int, voxel_size_angstrom: float) -> float:
    """Return the resolution of a shell in Å; infinite for shell 0."""
    return box * voxel_size_angstrom / shell if shell > 0 else float("inf")
