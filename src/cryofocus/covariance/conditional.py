"""How regions vary together among the particles that have another region, or lack it.

From the probabilities of the combinations (`joint_states`), which are corrected for misjudged
particles: were particles picked by what their own image seems to show, those picked wrongly would
dilute every answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int

from cryofocus.covariance.joint_states import JointStates

N_DRAWS = 400
INTERVAL_PERCENT = (2.5, 97.5)
# Of fewer particles nothing is said.
FEWEST_PARTICLES = 100
# A region that so few of the particles have, or so few lack, does not vary among them.
SMALLEST_SHARE = 0.02

State = Literal["present", "absent"]
# What may be given of a region.
STATES: tuple[State, State] = ("present", "absent")

Draws = Float64[np.ndarray, "draw pattern"]
Matrix = Float64[np.ndarray, "region region"]


@dataclass(frozen=True)
class Condition:
    """A region that particles have or lack.

    Attributes:
        region: Its number among all regions.
        is_present: Whether they have it.
    """

    region: int
    is_present: bool

    @property
    def state(self) -> State:
        """What is given of the region, in a word."""
        return STATES[0] if self.is_present else STATES[1]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number or an array, with 95 % intervals; NaN for what is undetermined.

    Attributes:
        value: What is most likely.
        low: Lower end.
        high: Upper end.
    """

    value: Float64[np.ndarray, "*axis"]
    low: Float64[np.ndarray, "*axis"]
    high: Float64[np.ndarray, "*axis"]

    def where(self, is_known: Bool[np.ndarray, "*axis"]) -> Estimate:
        """Return the same with NaN for what is not known."""
        ends = (self.value, self.low, self.high)
        return Estimate(*(np.where(is_known, one, np.nan) for one in ends))


@dataclass(frozen=True, eq=False)
class Conditional:
    """The other regions among the particles that meet a condition.

    Attributes:
        condition: Which particles.
        n_particles: How many they are, about.
        share: Of all particles.
        regions: `(other,)` the other regions, by their numbers among all.
        presence: `(other,)` share of these particles that have a region.
        both: `(other, other)` share of them that have two regions.
        correlation: `(other, other)` of the presence of two regions over these particles.
    """

    condition: Condition
    n_particles: int
    share: Estimate
    regions: Int[np.ndarray, " other"]
    presence: Estimate
    both: Estimate
    correlation: Estimate


def ask_conditions(
    joint: JointStates,
    conditions: Sequence[Condition],
    n_particles: int,
    generator: np.random.Generator,
    *,
    inflation: float = 1.0,
) -> Iterator[Conditional]:
    """Yield for each condition how the other regions vary among the particles that meet it.

    Everything is a function of the combinations' probabilities; intervals are percentiles over
    draws of these from their errors.

    Args:
        joint: Probabilities of the combinations; the regions of the conditions among them.
        conditions: What is given.
        n_particles: Behind the probabilities.
        generator: Of the draws.
        inflation: By how much the uncertainty of the model widens variances.
    """
    noise = generator.standard_normal((N_DRAWS, len(joint.probability)))
    values, basis = np.linalg.eigh(inflation * joint.errors)
    draws = joint.probability + (noise * np.sqrt(np.maximum(values, 0))) @ basis.T
    for condition in conditions:
        yield _ask(joint, condition, n_particles, draws)


def _ask(joint: JointStates, condition: Condition, n_particles: int, draws: Draws) -> Conditional:
    place = joint.regions.tolist().index(condition.region)
    meets = joint.patterns[:, place] == condition.is_present
    others = np.delete(np.arange(len(joint.regions)), place)
    present = joint.patterns[meets][:, others].astype(float)
    # The fit itself is the first row.
    rows = np.concatenate([joint.probability[None], draws])[:, meets]
    share = np.clip(rows.sum(axis=1), 0, 1)
    of_these = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1 / n_particles)
    both = np.clip(np.einsum("dp,pa,pb->dab", of_these, present, present, optimize=True), 0, 1)
    presence = np.diagonal(both, axis1=1, axis2=2)
    enough = np.array(share[0] * n_particles >= FEWEST_PARTICLES)
    held = _estimate(presence)
    varies = enough & (held.value > SMALLEST_SHARE) & (held.value < 1 - SMALLEST_SHARE)
    varies &= (held.high > SMALLEST_SHARE) & (held.low < 1 - SMALLEST_SHARE)
    known = np.outer(varies, varies) | np.eye(len(others), dtype=bool) & enough
    return Conditional(
        condition=condition,
        n_particles=round(float(share[0] * n_particles)),
        share=_estimate(share),
        regions=joint.regions[others],
        presence=held.where(np.broadcast_to(enough, held.value.shape)),
        both=_estimate(both).where(np.broadcast_to(enough, known.shape)),
        correlation=_estimate(_correlate(both)).where(known),
    )


def _correlate(
    both: Float64[np.ndarray, "draw region region"],
) -> Float64[np.ndarray, "draw region region"]:
    """Return the correlations of two regions' presence from the shares that have both."""
    alone = np.diagonal(both, axis1=1, axis2=2)
    first, second = alone[:, :, None], alone[:, None, :]
    # What errors make impossible is the nearest that is possible.
    possible = np.clip(both, np.maximum(first + second - 1, 0), np.minimum(first, second))
    variance = np.maximum(alone * (1 - alone), np.finfo(float).tiny)
    deviation = np.sqrt(variance)
    found = (possible - first * second) / (deviation[:, :, None] * deviation[:, None, :])
    return np.asarray(np.clip(found, -1, 1))


def _estimate(values: Float64[np.ndarray, "draw ..."]) -> Estimate:
    """Return the first row with the interval of the others, widened to hold it."""
    low, high = np.percentile(values[1:], INTERVAL_PERCENT, axis=0)
    own = np.asarray(values[0])
    return Estimate(own, np.asarray(np.minimum(low, own)), np.asarray(np.maximum(high, own)))
