"""The regions that vary, how, and the states that come of it.

Three regions are built one after another, so that each is there only with those before it. Two
come and go mostly together. One keeps to itself. A state is which of the six are there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from scipy.spatial import ConvexHull

from cryofocus.simulate.assembly.ribosome import PARTS, Beads
from cryofocus.simulate.phantom import Sphere

Kind = Literal["nested", "coupled", "independent", "constant", "moving"]

# Built in this order; how often the path has come so far: no, one, two, three of them.
PATH = ("central_protuberance", "bridge", "l16")
PATH_SHARES = (0.15, 0.20, 0.25, 0.40)
# Both, the first, the second, none of them: a correlation of 0.64.
COUPLED = ("ef_g", "l1_stalk")
COUPLED_SHARES = {(1, 1): 0.34, (1, 0): 0.06, (0, 1): 0.12, (0, 0): 0.48}
INDEPENDENT, INDEPENDENT_SHARE = "trna", 0.55
VARYING = (*PATH, *COUPLED, INDEPENDENT)
# Around the sphere that just holds a region's beads.
SPHERE_MARGIN_ANGSTROM = 4.0


@dataclass(frozen=True)
class Region:
    """A piece of the ribosome whose truth is told.

    Attributes:
        name: As files and columns call it.
        kind: How it varies.
        parts: Of what it consists.
    """

    name: str
    kind: Kind
    parts: tuple[str, ...]

    @property
    def label(self) -> str:
        """Column of truth.star that says whether it is there."""
        return "cryofocus" + "".join(word.capitalize() for word in self.name.split("_"))

    def beads(self, ribosome: Beads) -> Beads:
        """Return the beads of its parts."""
        return ribosome.take(self.parts)

    def sphere(self, ribosome: Beads) -> Sphere:
        """Return the smallest sphere that holds its beads, and a margin."""
        points = self.beads(ribosome).centre_angstrom
        points = points[ConvexHull(points).vertices]
        centre = points.mean(axis=0)
        # Badoiu & Clarkson (2003): steps of 1/k towards the farthest point.
        for k in range(2, 3000):
            away = points - centre
            centre = centre + away[np.argmax((away**2).sum(axis=1))] / k
        x, y, z = np.round(centre).tolist()
        reach = np.linalg.norm(points - (x, y, z), axis=1).max() + SPHERE_MARGIN_ANGSTROM
        return Sphere((x, y, z), float(np.ceil(reach)))


REGIONS = (
    *(Region(name, "nested", (name,)) for name in PATH),
    *(Region(name, "coupled", (name,)) for name in COUPLED),
    Region(INDEPENDENT, "independent", (INDEPENDENT,)),
    *(Region(name, "constant", (name,)) for name in ("core", "stalk_base", "l4", "h58")),
    Region("small_subunit", "moving", ("small_body", "small_head")),
)


def region_named(name: str) -> Region:
    """Return one of `REGIONS`."""
    return next(region for region in REGIONS if region.name == name)


def all_states() -> tuple[Bool[np.ndarray, "states 6"], Float64[np.ndarray, " states"]]:
    """Return which of `VARYING` each state has, and how often the states occur."""
    states, shares = [], []
    choices = itertools.product(enumerate(PATH_SHARES), COUPLED_SHARES.items(), (True, False))
    for (n_built, path_share), (pair, pair_share), bound in choices:
        built = [step < n_built for step in range(len(PATH))]
        states.append([*built, *(bool(there) for there in pair), bound])
        shares.append(
            path_share * pair_share * (INDEPENDENT_SHARE if bound else 1 - INDEPENDENT_SHARE)
        )
    return np.array(states), np.array(shares)


def part_amplitudes(states: Bool[np.ndarray, "n 6"]) -> Float32[np.ndarray, "n parts"]:
    """Return 1 for every part that a state has, else 0."""
    amplitudes = np.ones((len(states), len(PARTS)), np.float32)
    amplitudes[:, [PARTS.index(name) for name in VARYING]] = states
    return amplitudes


def mean_amplitudes(region: Region) -> tuple[Float[np.ndarray, " parts"], ...]:
    """Return how much of each part is there on average: of all, without and with a region."""
    states, shares = all_states()
    amplitudes = part_amplitudes(states)
    has = amplitudes[:, PARTS.index(region.parts[0])] > 0
    chosen = (np.ones(len(states), bool), ~has, has)
    means = (shares[which] @ amplitudes[which] / shares[which].sum() for which in chosen)
    # What is always there does not differ, not by rounding either.
    return tuple(np.round(mean, 12) for mean in means)


def share_present(region: Region) -> float:
    """Return how often a region is there."""
    states, shares = all_states()
    return float(shares @ part_amplitudes(states)[:, PARTS.index(region.parts[0])])
