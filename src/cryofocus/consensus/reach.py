"""How far maps reach in Fourier space: as far as half maps agree, and a margin beyond.

Grids of maps grow with the cube of their last shell, and most of it is noise: a box of 512 whose
maps end at a third of Nyquist needs a thirtieth of the grid that holds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BeforeValidator

from cryofocus.option import Option

if TYPE_CHECKING:
    from cryofocus.consensus.images import ParticleImages

NYQUIST: Literal["nyquist"] = "nyquist"
EXPECTED_RESOLUTION = "a resolution in Å above 0, or nyquist"
# Boxes for which a pass over some images would cost more than it saves.
SMALL_BOX = 100
# Half maps that correlate less than this agree no longer: in a mask of a tenth of the box, where
# there is less noise, the correlation is below 0.143, too.
FALLEN = 0.02
# Standard errors of the mean correlation of shells of noise that are taken for noise.
NOISE_ERRORS = 2.0
# The correlation is averaged over so many shells, or a part of the radius.
FEWEST_TOGETHER, PART_TOGETHER = 4, 8
# Beyond the last agreement, so many shells or a part of the radius show half maps at zero.
LEAST_MARGIN, PART_OF_RADIUS = 6, 8
LEAST_SHELLS = 24


def _require_resolution(value: object) -> object:
    """Refuse what is neither a resolution nor `nyquist`."""
    if value is None or value == NYQUIST or (isinstance(value, int | float) and value > 0):
        return value
    raise ValueError(EXPECTED_RESOLUTION)


def _read_resolution(text: str) -> float | str:
    """Read a resolution, or `nyquist`."""
    return text if text == NYQUIST else float(text)


MapResolution = Annotated[
    float | Literal["nyquist"] | None,
    BeforeValidator(_require_resolution),
    Option(metavar="A|nyquist", read=_read_resolution, expected=EXPECTED_RESOLUTION),
]
"""To which resolution maps are made, as users say it; None lets half maps decide."""


@dataclass(frozen=True)
class Reach:
    """To which resolution maps are made.

    Attributes:
        asked: A resolution in Å, or `nyquist`; None lets half maps decide.
        at_least_angstrom: Maps reach at least so far, if that is given.
    """

    asked: float | Literal["nyquist"] | None = None
    at_least_angstrom: float | None = None

    def shells(self, images: ParticleImages) -> int | None:
        """Return how many shells to make, or None if half maps are to say."""
        if self.asked is None and images.particles.box > SMALL_BOX:
            return None
        if self.asked is None or self.asked == NYQUIST:
            return images.largest_band().n_shells
        return max(_shells_to(images, self.asked), _shells_to(images, self.at_least_angstrom))

    def least(self, images: ParticleImages) -> int:
        """Return the shells that there have to be, whatever half maps say."""
        return max(LEAST_SHELLS, _shells_to(images, self.at_least_angstrom))


TO_NYQUIST = Reach(NYQUIST)


def _shells_to(images: ParticleImages, resolution_angstrom: float | None) -> int:
    """Return the shells to a resolution and a margin; none to no resolution."""
    if resolution_angstrom is None:
        return 0
    particles = images.particles
    # However fine the detail that is asked for, a box holds no more.
    extent = particles.box * particles.pixel_size_angstrom
    return min(int(extent / resolution_angstrom) + 1, particles.box) + LEAST_MARGIN


def end_of_agreement(fsc: Float[np.ndarray, " n_shells"], share: float = 1.0) -> int | None:
    """Return the first shell from which on half maps agree no longer; None if they do to the end.

    Args:
        fsc: Of half maps, to the last shell that was made.
        share: Of the particles, the part they were made from: with more, less of an agreement is
            enough for one that counts. It has to stand out from noise all the same.
    """
    shells = np.arange(1, len(fsc))
    together = np.maximum(FEWEST_TOGETHER, shells // PART_TOGETHER)
    inside = shells + together <= len(fsc)
    shells, together = shells[inside], together[inside]
    upto = np.concatenate([[0.0], np.cumsum(fsc)])
    means = (upto[shells + together] - upto[shells]) / together
    # Half of a shell's coefficients are the conjugates of the others.
    errors = 1 / np.sqrt(2 * np.pi * shells**2 * together)
    fallen = means < np.maximum(FALLEN * share, NOISE_ERRORS * errors)
    return int(shells[np.argmax(fallen)]) if fallen.any() else None


def with_margin(n_shells: int) -> int:
    """Return so many more shells that half maps visibly fall to zero."""
    return n_shells + max(LEAST_MARGIN, n_shells // PART_OF_RADIUS)


def cropped_with_margin(images: ParticleImages, n_shells: int) -> ParticleImages:
    """Return the images cropped to so many shells and a margin; small boxes stay as they are."""
    if images.particles.box <= SMALL_BOX:
        return images
    return images.cropped(with_margin(n_shells))
