"""The states of the humanoid: which parts a particle has, how likely each state is, its class.

A state is six booleans, `MOVING`: arm up, hand present and foot present, for the near unit (the
one in the focus sphere) and for its two-fold mate, the far one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cryofocus.errors import SettingError
from cryofocus.simulate.phantom import PARTS, SIDE_PARTS

MOVING = ("near_arm", "near_hand", "near_foot", "far_arm", "far_hand", "far_foot")
SCENARIOS = (1, 2, 3)


@dataclass(frozen=True)
class Scenario:
    """One of the benchmark's three scenarios (docs/humanoid.md).

    Attributes:
        number: 1: each arm up or down. 2: also each hand present or absent. 3: also each foot
            present exactly when the hand of its side is.
        random_feet: Scenarios 1 and 2: each foot present or absent at random instead of always
            present.
        coupling: 0 to 1: probability that the far arm copies the near one instead of choosing
            freely.
    """

    number: int
    random_feet: bool = False
    coupling: float = 0.0

    def __post_init__(self) -> None:
        if self.number not in SCENARIOS:
            raise SettingError(f"scenario: found {self.number}, expected one of 1, 2, 3")
        if not 0.0 <= self.coupling <= 1.0:
            raise SettingError(f"coupling: found {self.coupling}, expected 0 to 1")
        if self.random_feet and self.number == 3:
            raise SettingError(
                "random_feet: scenario 3 ties each foot to the hand of its side; "
                "use scenario 1 or 2, or leave random_feet out"
            )

    @property
    def n_classes(self) -> int:
        """Number of states of one unit: 2 in scenario 1, 4 (arm and hand) in 2 and 3."""
        return 2 if self.number == 1 else 4

    @property
    def states(self) -> Bool[np.ndarray, "states 6"]:
        """All 64 combinations of `MOVING`, in counting order; most scenarios use a part."""
        return np.array(list(itertools.product([False, True], repeat=len(MOVING))))

    @property
    def prior(self) -> Float[np.ndarray, " states"]:
        """Probability of each of `states`; sums to one."""
        near, far = self.states[:, :3], self.states[:, 3:]
        same = np.where(near[:, 0] == far[:, 0], 1.0 + self.coupling, 1.0 - self.coupling)
        units = self._hand_and_foot_prior(near) * self._hand_and_foot_prior(far)
        return np.asarray(units * same / 4.0)

    @property
    def focused_prior(self) -> Float[np.ndarray, " states"]:
        """Prior of a classifier that ignores what the rest says about the focused class.

        Near arm and hand keep their prior; the near foot and the far unit have theirs,
        independent of them, so that seeing those parts teaches nothing about the class.
        """
        near, far = self.states[:, :3], self.states[:, 3:]
        near_prior = self._hand_prior(near) * self._foot_prior(near)
        return np.asarray(near_prior * self._hand_and_foot_prior(far) / 4.0)

    def unit_class(
        self, states: Bool[np.ndarray, "n 6"], *, mate: bool = False
    ) -> Int[np.ndarray, " n"]:
        """Class index (from zero) of the near unit, or of its mate.

        Arm down is 0 and arm up is 1; a present hand adds 2 where hands vary.
        """
        unit = states[:, 3:] if mate else states[:, :3]
        return unit[:, 0].astype(np.int64) + 2 * (unit[:, 1] & (self.number != 1))

    def sample(
        self, n_particles: int, rng: np.random.Generator
    ) -> Bool[np.ndarray, "n_particles 6"]:
        """Draw the state of each particle from `prior`."""
        return self.states[rng.choice(len(self.states), size=n_particles, p=self.prior)]

    def possible_states(self) -> Bool[np.ndarray, "possible 6"]:
        """Return the states of non-zero prior: 4, 16 and 16 in scenarios 1, 2 and 3."""
        return self.states[self.prior > 0.0]

    def _hand_prior(self, unit: Bool[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        return unit[:, 1].astype(float) if self.number == 1 else np.full(len(unit), 0.5)

    def _foot_prior(self, unit: Bool[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        if self.random_feet or self.number == 3:
            return np.full(len(unit), 0.5)
        return unit[:, 2].astype(float)

    def _hand_and_foot_prior(self, unit: Bool[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        if self.number == 3:
            return np.where(unit[:, 1] == unit[:, 2], 0.5, 0.0)
        return np.asarray(self._hand_prior(unit) * self._foot_prior(unit))


def part_amplitudes(states: Bool[np.ndarray, "n 6"]) -> Float32[np.ndarray, "n parts"]:
    """Return 1 for every part (`phantom.PARTS`) that a state shows, else 0; float32."""
    columns = [np.ones(len(states), dtype=bool)]
    for unit in (states[:, :3], states[:, 3:]):
        arm, hand, foot = unit.T
        shown = {
            "arm_down": ~arm,
            "arm_up": arm,
            "hand_down": ~arm & hand,
            "hand_up": arm & hand,
            "foot": foot,
        }
        columns.extend(shown[part] for part in SIDE_PARTS)
    amplitudes = np.stack(columns, axis=1).astype(np.float32)
    assert amplitudes.shape[1] == len(PARTS)
    return amplitudes


def state_name(state: Bool[np.ndarray, " 6"]) -> str:
    """Return a file-name-safe description such as `near_up_hand_foot_far_down_foot`."""
    words: list[str] = []
    for unit, (arm, hand, foot) in (("near", state[:3]), ("far", state[3:])):
        words += [unit, "up" if arm else "down"]
        words += ["hand"] * bool(hand) + ["foot"] * bool(foot)
    return "_".join(words)
