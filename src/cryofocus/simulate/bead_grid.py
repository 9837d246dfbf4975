"""Grids on which Gaussian beads are drawn so finely that their transforms are exact.

A bead of standard deviation sigma has the transform w exp(-2 pi i f.r - 2 pi^2 sigma^2 f^2).
Drawn on nodes that lie 1/g apart, it repeats at every multiple of g, and what reaches into the
band |f| <= b from the nearest repeat is, relative to the total weight, at most S(g - b), where

    S(f) = sum_j w_j exp(-2 pi^2 sigma_j^2 f^2) / sum_j w_j.

Beads that are narrow beside the nodes are drawn wider, by tau (in squares), and the transform is
multiplied by exp(2 pi^2 tau^2 f^2). Repeats then reach S(g - b) exp(-2 pi^2 tau^2 g (g - 2 b)),
which tau brings down to the tolerance (Greengard & Lee 2004, with kernels of several widths).
The band ends at Nyquist, or where S itself falls below the tolerance: beyond, there is nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.optimize import brentq

from cryofocus.kernels import beads
from cryofocus.maths.fourier import next_fast_len

# What is left out, relative to the total weight; float32 rounds by half as much.
TOLERANCE = 1e-7
# Nodes per wavelength at the end of the band, in halves; the first suffices for wide beads.
SAMPLINGS = (1.0, 1.25, 1.5, 2.0)
# The transform is raised at the end of the band by this power of e at most, if it can be helped.
LARGEST_RAISE = 2.0


def spectrum(
    sigma_angstrom: Float[np.ndarray, " beads"],
    weight: Float[np.ndarray, " beads"],
    per_angstrom: float,
) -> float:
    """Return S, what is left of beads at a frequency, relative to their total weight."""
    shares = np.abs(weight) / np.abs(weight).sum()
    return float(shares @ np.exp(-2 * (np.pi * sigma_angstrom * per_angstrom) ** 2))


@dataclass(frozen=True)
class BeadGrid:
    """A periodic grid for beads, of the same extent as images.

    Attributes:
        edge: Nodes along an axis.
        extent_angstrom: Its period.
        band_per_angstrom: Highest frequency at which transforms are exact; nothing lies beyond.
        widening_square_angstrom: Square of tau.
    """

    edge: int
    extent_angstrom: float
    band_per_angstrom: float
    widening_square_angstrom: float

    @classmethod
    def choose(
        cls,
        sigma_angstrom: Float[np.ndarray, " beads"],
        weight: Float[np.ndarray, " beads"],
        box: int,
        pixel_size_angstrom: float,
        *,
        at_least: int = 2,
    ) -> BeadGrid:
        """Choose the coarsest grid that suffices for images of a box.

        Args:
            sigma_angstrom: Standard deviations of the beads.
            weight: Their integrated densities.
            box: Edge of the images in pixels.
            pixel_size_angstrom: Å per pixel.
            at_least: Nodes along an axis.
        """
        extent = box * pixel_size_angstrom
        sigmas, number = np.unique(sigma_angstrom, return_inverse=True)
        left = partial(spectrum, sigmas, np.bincount(number, weights=np.abs(weight)))
        band = 1 / (2 * pixel_size_angstrom)
        if left(band) < TOLERANCE:
            band = float(brentq(lambda f: left(f) - TOLERANCE, 0, band))
        for sampling in SAMPLINGS:
            edge = max(next_fast_len(math.ceil(2 * sampling * band * extent)), at_least)
            lines = edge / extent
            excess = math.log(max(left(lines - band) / TOLERANCE, 1.0))
            room = 2 * math.pi**2 * lines * (lines - 2 * band)
            if excess == 0:
                return cls(edge, extent, band, 0.0)
            if room > 0 and 2 * (math.pi * band) ** 2 * excess / room <= LARGEST_RAISE:
                break
        return cls(edge, extent, band, excess / room)

    def draw_images(
        self,
        place_angstrom: Float[np.ndarray, "n beads 2"],
        sigma_angstrom: Float[np.ndarray, " beads"],
        weight: Float[np.ndarray, "n beads"],
    ) -> Float32[np.ndarray, "n edge edge"]:
        """Draw beads at x, y in Å from node 0."""
        place = place_angstrom * self.nodes_per_angstrom
        return beads.draw_images(place, self._width(sigma_angstrom), weight, self.edge)

    def draw_volume(
        self,
        place_angstrom: Float[np.ndarray, "beads 3"],
        sigma_angstrom: Float[np.ndarray, " beads"],
        weight: Float[np.ndarray, " beads"],
    ) -> Float32[np.ndarray, "edge edge edge"]:
        """Draw beads at x, y, z in Å from node 0."""
        place = place_angstrom * self.nodes_per_angstrom
        return beads.draw_volume(place, self._width(sigma_angstrom), weight, self.edge)

    def frequencies(self, box: int) -> tuple[Int[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """Whole frequencies of a box, below its Nyquist, that have been drawn, from negative ones.

        Returns:
            Each frequency, and what the transform has to be multiplied by along an axis.
        """
        end = math.floor(self.band_per_angstrom * self.extent_angstrom * (1 + 1e-9))
        last = min(end, (box - 1) // 2, (self.edge - 1) // 2)
        k = np.arange(-last, last + 1)
        square = (np.pi * k / self.extent_angstrom) ** 2
        raised = np.exp(2 * self.widening_square_angstrom * square)
        return k, np.asarray(raised, np.float32)

    @property
    def nodes_per_angstrom(self) -> float:
        """How finely beads are drawn."""
        return self.edge / self.extent_angstrom

    def _width(self, sigma_angstrom: Float[np.ndarray, " beads"]) -> Float[np.ndarray, " beads"]:
        wide = np.sqrt(np.square(sigma_angstrom) + self.widening_square_angstrom)
        return np.asarray(wide * self.nodes_per_angstrom)
