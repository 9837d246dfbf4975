"""How far two half maps agree: Fourier shell correlation, with the effect of a mask removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float64

from cryofocus.arrays import Volume
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.shells import first_shell_below, fourier_shell_correlation

RANDOMISE_BELOW = 0.8
GUARD_SHELLS = 2
IDENTICAL = 0.9999

Curve = Float64[np.ndarray, " n_shells"]


@dataclass(frozen=True, eq=False)
class FscCurves:
    """Fourier shell correlation of two half maps, each `(box//2+1,)`.

    Attributes:
        unmasked: Of the maps as they are.
        masked: Of the masked maps; None without a mask.
        randomised: Of the masked maps after randomising phases from a shell on; None without a
            mask.
        corrected: Masked, less what the mask alone brings about; unmasked without a mask.
        randomised_from: First shell whose phases were randomised; None without a mask.
    """

    unmasked: Curve
    masked: Curve | None
    randomised: Curve | None
    corrected: Curve
    randomised_from: int | None

    @property
    def are_identical(self) -> bool:
        """Whether the half maps agree in every shell, as no independent maps do."""
        return bool((self.unmasked[1:] > IDENTICAL).all())


def measure_fsc(
    first: Volume, second: Volume, mask: Volume | None = None, *, seed: int = 1
) -> FscCurves:
    """Fourier shell correlation, and for masked maps its correction by phase randomisation.

    A mask correlates the maps it is applied to. How much, is seen where their phases were made
    random: FSC_true = (FSC_masked - FSC_randomised) / (1 - FSC_randomised) (Chen et al. 2013,
    eq. 4). Phases are random from the shell on where the unmasked FSC falls below 0.8; the
    correction begins two shells further, beyond the reach of the mask's own transform.

    Args:
        first: Half map.
        second: The other half map, on the same grid.
        mask: Soft mask from 0 to 1.
        seed: Of the random phases.
    """
    box = first.shape[0]
    # Sums over large shells need more digits than the maps have.
    halves = [forward_3d(volume.astype(np.float64)) for volume in (first, second)]
    unmasked = fourier_shell_correlation(halves[0], halves[1], box)
    if mask is None:
        return FscCurves(unmasked, None, None, unmasked, None)
    masked = _masked_fsc(first, second, mask)
    start = min(first_shell_below(unmasked, RANDOMISE_BELOW), box // 2)
    generator = np.random.default_rng(seed)
    noisy = [randomise_phases(half, box, start, generator) for half in halves]
    randomised = _masked_fsc(noisy[0], noisy[1], mask)
    corrected = masked.copy()
    beyond = np.arange(len(masked)) >= start + GUARD_SHELLS
    room = np.maximum(1 - randomised[beyond], np.finfo(np.float64).eps)
    corrected[beyond] = (masked[beyond] - randomised[beyond]) / room
    return FscCurves(unmasked, masked, randomised, corrected, start)


def randomise_phases(
    half: Complex[np.ndarray, "box box half"],
    box: int,
    from_shell: int,
    generator: np.random.Generator,
) -> Float64[np.ndarray, "box box box"]:
    """Volume whose coefficients have random phases from a shell on, and their own amplitudes.

    The phases are those of white noise, so that Friedel mates match.
    """
    noise = forward_3d(generator.normal(size=(box,) * 3))
    phases = noise / np.maximum(np.abs(noise), np.finfo(np.float64).tiny)
    is_random = shell_index_3d(box) >= from_shell
    return np.asarray(inverse_3d(np.where(is_random, np.abs(half) * phases, half), box))


def _masked_fsc(first: np.ndarray, second: np.ndarray, mask: Volume) -> Curve:
    masked = [forward_3d((volume * mask).astype(np.float64)) for volume in (first, second)]
    return fourier_shell_correlation(masked[0], masked[1], len(mask))
