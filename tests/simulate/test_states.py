"""States, priors and classes of the three scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.errors import SettingError
from cryofocus.simulate.phantom import PARTS
from cryofocus.simulate.states import Scenario, part_amplitudes, state_name


def test_the_scenarios_have_28_distinct_maps() -> None:
    """4, 16 and 16 maps, of which 28 differ: 4 + 12 + 12."""
    maps = [Scenario(number).possible_states() for number in (1, 2, 3)]
    assert [len(m) for m in maps] == [4, 16, 16]
    assert len({state_name(state) for m in maps for state in m}) == 28


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(1),
        Scenario(2, coupling=0.3),
        Scenario(3, coupling=1.0),
        Scenario(2, random_feet=True),
    ],
)
def test_priors_are_probabilities_with_equal_classes(scenario: Scenario) -> None:
    """Both priors sum to one, and every class of the near unit is equally likely."""
    classes = scenario.unit_class(scenario.states)
    for prior in (scenario.prior, scenario.focused_prior):
        assert prior.sum() == pytest.approx(1.0)
        share = np.bincount(classes, weights=prior, minlength=scenario.n_classes)
        np.testing.assert_allclose(share, 1.0 / scenario.n_classes)


def test_feet_follow_hands_in_scenario_3_only() -> None:
    """Scenario 3 ties each foot to the hand of its side; in 1 and 2 feet are always present."""
    rng = np.random.default_rng(0)
    states = Scenario(3).sample(200, rng)
    np.testing.assert_array_equal(states[:, [1, 4]], states[:, [2, 5]])
    assert Scenario(2).sample(200, rng)[:, [2, 5]].all()
    assert Scenario(1).sample(200, rng)[:, [1, 2, 4, 5]].all()
    assert 60 < Scenario(2, random_feet=True).sample(200, rng)[:, 2].sum() < 140


@pytest.mark.parametrize(("coupling", "same"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_coupling_makes_the_arms_agree(coupling: float, same: float) -> None:
    """The far arm copies the near one with the given probability, else chooses freely."""
    states = Scenario(1, coupling=coupling).sample(4000, np.random.default_rng(1))
    assert np.mean(states[:, 0] == states[:, 3]) == pytest.approx(same, abs=0.03)


def test_the_focused_prior_breaks_every_tie_to_the_class() -> None:
    """Under the focused prior neither near foot nor far arm say anything about the class."""
    scenario = Scenario(3, coupling=0.8)
    classes, states, prior = (
        scenario.unit_class(scenario.states),
        scenario.states,
        scenario.focused_prior,
    )
    for column in (2, 3, 4, 5):
        share = [
            np.average(states[classes == k, column], weights=prior[classes == k]) for k in range(4)
        ]
        np.testing.assert_allclose(share, 0.5)


def test_a_state_shows_each_part_in_one_place() -> None:
    """An arm is up or down, a hand is where its arm is, and an absent hand is nowhere."""
    state = np.array([[True, True, False, False, False, True]])
    shown = {PARTS[i] for i in np.flatnonzero(part_amplitudes(state)[0])}
    assert shown == {"body", "near_arm_up", "near_hand_up", "far_arm_down", "far_foot"}
    scenario = Scenario(2)
    assert scenario.unit_class(state).tolist() == [3]
    assert scenario.unit_class(state, mate=True).tolist() == [0]
    assert state_name(state[0]) == "near_up_hand_far_down_foot"


def test_impossible_scenarios_are_refused() -> None:
    """Unknown scenario, coupling beyond 1, random feet where feet follow hands."""
    with pytest.raises(SettingError, match="scenario: found 4"):
        Scenario(4)
    with pytest.raises(SettingError, match=r"coupling: found 1\.5"):
        Scenario(1, coupling=1.5)
    with pytest.raises(SettingError, match="scenario 3 ties each foot"):
        Scenario(3, random_feet=True)
