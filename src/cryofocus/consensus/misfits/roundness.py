"""Whether the consensus looks different from different sides, as that of right poses does.

Images that were given the poses of others make a ball: what is left of the density is its mean
over all views. Half maps tell, by how much of their slices is the same at the pose of another
particle (docs/derivations/misfits.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryofocus.consensus.match import weight_by_shell
from cryofocus.consensus.misfits.evidence import Evidence

VIEWS = 256
# Of what images show of particles that are no balls, a tenth or more depends on the view, of those
# that nearly are, two hundredths; made with the poses of others, hardly ever one.
LEAST_SHARE, LEAST_WITH_NOISE = 0.01, 0.2
# Squared signal-to-noise ratio, summed over all images, from which they show anything.
SHOWN = 400.0


@dataclass(frozen=True)
class Roundness:
    """How far the consensus depends on the view.

    Attributes:
        share: Of what images show of it, the part that depends on the view; of both half maps in
            common, so that noise does not count.
        share_with_noise: The same in each half map by itself.
        shown: What all images together show of it, as a squared signal-to-noise ratio.
    """

    share: float
    share_with_noise: float
    shown: float

    @property
    def is_ball(self) -> bool:
        """Whether it surely looks alike from all sides."""
        is_round = self.share < LEAST_SHARE and self.share_with_noise < LEAST_WITH_NOISE
        return is_round and self.shown > SHOWN


def measure_roundness(evidence: Evidence) -> Roundness:
    """Compare slices of the half maps at the poses of particles with those at others' poses."""
    n = len(evidence.consensus.images)
    # Neighbours in a table may be copies of one particle, or of one side of it.
    rows = np.unique(np.linspace(0, n - 1, min(n, VIEWS)).astype(np.int64))
    band, views = evidence.views(np.random.default_rng(0).permutation(rows))
    weight = weight_by_shell(evidence.consensus, band.n_shells) / np.maximum(
        band.shell_counts(), 1
    )
    weight[0] = 0

    def shown(one: np.ndarray, other: np.ndarray) -> float:
        power = band.shell_sums((one * other.conj()).real).mean(axis=0)
        return float(weight @ power)

    first, second = views
    common, apart = shown(first, second), shown(first, np.roll(second, 1, axis=0))
    alone = sum(shown(one, one) for one in views)
    alone_apart = sum(shown(one, np.roll(one, 1, axis=0)) for one in views)
    tiny = float(np.finfo(np.float32).tiny)
    return Roundness(
        share=1 - apart / common if common > 0 else 1.0,
        share_with_noise=1 - alone_apart / max(alone, tiny),
        shown=max(common, 0.0) * n,
    )
