"""How much of each region every single particle holds, without any classification.

In a whole-particle model, particle i's density is linear in its coordinates x_i, and so is the
mass of every region in it, relative to the particle's reference (`reference`). The posterior of
x_i, less what the population alone says, is a measurement of the contents with a known error,
whatever else varies in the particle (docs/derivations/covariance.md, eq. 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int

# A part of a region's variance that no image determines: keeps errors finite.
UNDETERMINED_SHARE = 1e-6
# Contents that vary less than this (standard deviation) are taken to vary so much.
SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Occupancies:
    """What each image says of the regions' contents.

    Attributes:
        names: Of the regions.
        values: `(particle, region)` content of a region less its mean over the particles; 1 is
            the mass that the region would hold were it as dense as the particle's reference.
        noise: `(particle, region, region)` covariance of their errors.
        is_seen: `(region,)` whether the images show anything of the region beyond noise.
    """

    names: tuple[str, ...]
    values: Float64[np.ndarray, "particle region"]
    noise: Float64[np.ndarray, "particle region region"]
    is_seen: Bool[np.ndarray, " region"]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.values)

    def take(self, which: Int[np.ndarray, " m"]) -> Occupancies:
        """Return chosen particles, in the order asked for."""
        return replace(self, values=self.values[which], noise=self.noise[which])


def content_rows(
    masses: Float64[np.ndarray, "region q"],
    reference: Float64[np.ndarray, " q"],
    full_mass: Float64[np.ndarray, " region"],
) -> Float64[np.ndarray, "region q"]:
    """Return how coordinates combine to contents.

    Args:
        masses: Of each region in the consensus (first column) and in the fields.
        reference: Relative mass of the reference, from `choose_reference`.
        full_mass: Of each region, were it as dense as the reference.
    """
    return np.asarray((masses - np.outer(masses[:, 0], reference)) / full_mass[:, None])


def measure_contents(
    rows: Float64[np.ndarray, "region q"],
    prior: tuple[Float64[np.ndarray, " q"], Float64[np.ndarray, "q q"]],
    posterior: tuple[Float64[np.ndarray, "particle q"], Float64[np.ndarray, "particle q q"]],
) -> tuple[Float64[np.ndarray, "particle region"], Float64[np.ndarray, "particle region region"]]:
    """Return contents as each image alone measures them, and the covariance of their errors.

    Args:
        rows: How coordinates combine to contents.
        prior: Mean and covariance of the coordinates over the particles.
        posterior: Means and covariances of each particle's.
    """
    mean, covariance = prior
    means, covariances = posterior
    floor = SMALLEST_SPREAD**2 * np.eye(len(rows))
    total = rows @ covariance @ rows.T + floor
    left = np.einsum("rq,nqp,sp->nrs", rows, covariances, rows, optimize=True) + floor
    gain = total - left + UNDETERMINED_SHARE * total
    centred = (means - mean) @ rows.T
    scaled = np.linalg.solve(gain, np.broadcast_to(total, gain.shape))
    values = np.einsum("nsr,ns->nr", scaled, centred)
    noise = np.swapaxes(scaled, 1, 2) @ left
    return values, 0.5 * (noise + np.swapaxes(noise, 1, 2))
