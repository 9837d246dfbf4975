"""The number of states of a region, from moments of particles of known states."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.variability.states import MAX_STATES, estimate_states

CORNERS = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]], float)


def halves(coordinates: np.ndarray, information: float) -> tuple[Subspace, Subspace]:
    """Moments of two half sets at given coordinates."""
    rng = np.random.default_rng(5)
    noise = np.sqrt(information) * rng.standard_normal(coordinates.shape)
    linear = information * coordinates + noise
    n, q = coordinates.shape
    quadratic = np.broadcast_to(information * np.eye(q), (n, q, q)).copy()
    parts = (slice(0, None, 2), slice(1, None, 2))
    first, second = (
        Subspace(
            np.zeros((q, 2, 2, 2), np.float32),
            linear[part],
            quadratic[part],
            np.full(q, information),
            0,
        )
        for part in parts
    )
    return first, second


@pytest.mark.parametrize("n_states", [2, 3, 4])
def test_separate_states_are_counted(n_states: int) -> None:
    """States that the images tell apart are counted, without doubt about the number."""
    labels = np.random.default_rng(6).integers(n_states, size=600)
    found = estimate_states(halves(CORNERS[labels], 12.0), np.random.default_rng(1))
    assert (found.best, found.lowest, found.highest) == (n_states, n_states, n_states)
    assert not found.is_continuous


def test_noise_is_one_state() -> None:
    """Particles that do not differ have one state, whatever axes noise made."""
    found = estimate_states(halves(np.zeros((400, 2)), 0.5), np.random.default_rng(1))
    assert (found.best, found.lowest, found.highest) == (1, 1, 1)
    assert not found.is_continuous


def test_motion_is_not_a_number_of_states() -> None:
    """Normally distributed coordinates are recognised as continuous."""
    x = np.random.default_rng(7).standard_normal((800, 2))
    found = estimate_states(halves(x, 12.0), np.random.default_rng(1))
    assert found.is_continuous
    assert found.highest <= MAX_STATES
