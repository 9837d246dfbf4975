"""Physical constants and unit conversions; the only place where they stand."""

from __future__ import annotations

import math

ANGSTROM_PER_MILLIMETRE = 1.0e7
VOLT_PER_KILOVOLT = 1.0e3
RADIAN_PER_MILLIRADIAN = 1.0e-3


def electron_wavelength_angstrom(voltage_kilovolt: float) -> float:
    """Relativistic de Broglie wavelength of the electron, in Å."""
    volt = voltage_kilovolt * VOLT_PER_KILOVOLT
    return 12.2643247 / math.sqrt(volt * (1.0 + 0.978466e-6 * volt))
