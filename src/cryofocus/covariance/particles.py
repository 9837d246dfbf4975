"""Correlation of regions over single particles, corrected for the images' noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from cryofocus.covariance.normal import NormalFit, fit_normal
from cryofocus.covariance.occupancy import Occupancies
from cryofocus.covariance.significance import n_permutations, pair_p_values

# A region varies when its variance exceeds so many standard errors,
SIGNIFICANT = 3.0
# so large a part of its content (standard deviation over mean; 0.25 is a region that one of 17
# particles lacks, while a constant part that moves beside others was measured at up to 0.20),
SMALLEST_SPREAD = 0.25
# and so large a part of the noise's variance: motion of what is no region, and an inexact noise
# level, look like variation of that size.
MODEL_ERROR = 0.2


@dataclass(frozen=True, eq=False)
class ParticleCorrelation:
    """How regions vary over particles, and together.

    Attributes:
        names: Of the regions.
        n_particles: Whose images told.
        fit: Mean and covariance of the occupancies, noise taken off.
        noise_spread: `(region,)` median standard error of one particle's occupancy.
        varies: `(region,)` whether it varies at all; where not, its correlations are undetermined.
        p_values: `(region, region)` of the hypothesis that the two do not vary together.
        n_permutations: Behind the p-values.
        null: Correlations after every region's occupancies were shuffled over the particles; NaN
            where a region does not vary.
    """

    names: tuple[str, ...]
    n_particles: int
    fit: NormalFit
    noise_spread: Float64[np.ndarray, " region"]
    varies: Bool[np.ndarray, " region"]
    p_values: Float64[np.ndarray, "region region"]
    n_permutations: int
    null: Float64[np.ndarray, "region region"]

    @property
    def correlation(self) -> Float64[np.ndarray, "region region"]:
        """Correlations; NaN where a region does not vary."""
        both = np.outer(self.varies, self.varies)
        return np.where(both, self.fit.correlation, np.nan)

    @property
    def spread(self) -> Float64[np.ndarray, " region"]:
        """Standard deviation of each region's content over its mean, noise taken off."""
        return np.sqrt(np.maximum(np.diag(self.fit.covariance), 0.0))


def correlate_particles(
    occupancies: Occupancies, generator: np.random.Generator, *, n_copies: int = 1
) -> ParticleCorrelation:
    """Correlate regions over particles, test every pair, and repeat with shuffled regions.

    Args:
        occupancies: Of every particle, with the covariance of their errors.
        generator: Of permutations and shuffles.
        n_copies: Consecutive rows that are copies of one particle under symmetry operators.
    """
    values, noise = occupancies.values, occupancies.noise
    fit = fit_normal(values, noise)
    noise_variance = np.median(np.diagonal(noise, axis1=1, axis2=2), axis=0)
    varies = region_varies(fit, noise_variance)
    null = fit_normal(*shuffle_regions(values, noise, generator)).correlation
    return ParticleCorrelation(
        names=occupancies.names,
        n_particles=len(occupancies),
        fit=fit,
        noise_spread=np.sqrt(noise_variance),
        varies=varies,
        p_values=pair_p_values(values, noise, fit.covariance, generator, n_copies=n_copies),
        n_permutations=n_permutations(len(occupancies)),
        null=np.where(np.outer(varies, varies), null, np.nan),
    )


def region_varies(
    fit: NormalFit, noise_variance: Float64[np.ndarray, " region"]
) -> Bool[np.ndarray, " region"]:
    """Tell regions that vary from those that do so only as much as noise and model errors do."""
    variance = np.diag(fit.covariance)
    smallest = np.maximum(SMALLEST_SPREAD**2, MODEL_ERROR * noise_variance)
    return np.asarray(variance > np.maximum(smallest, SIGNIFICANT * fit.variance_error))


def shuffle_regions(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    generator: np.random.Generator,
) -> tuple[Float64[np.ndarray, "n r"], Float64[np.ndarray, "n r r"]]:
    """Give each region the occupancies, with their errors, of other particles at random."""
    shuffled, errors = np.empty_like(values), np.zeros_like(noise)
    for region in range(values.shape[1]):
        order = generator.permutation(len(values))
        shuffled[:, region] = values[order, region]
        errors[:, region, region] = noise[order, region, region]
    return shuffled, errors
