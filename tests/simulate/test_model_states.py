"""Particles of several maps: exact projections, shares, and the best classifier."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.errors import SettingError
from cryofocus.simulate.model_states import ModelSettings, StateProjector, state_posteriors
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.projection import density_map, project_states
from cryofocus.simulate.states import part_amplitudes

BOX, PIXEL = 32, 13.1
UP_AND_DOWN = part_amplitudes(np.array([[True] * 6, [False] * 6]))


def test_projections_are_those_of_the_density(phantom: Phantom) -> None:
    """Slices of a map agree with the exact projections of what it was made from."""
    settings = ModelSettings(particles=6, box=BOX, pixel_size_angstrom=PIXEL, seed=5)
    views = settings.draw_views()
    maps = np.stack([density_map(phantom, part, BOX, PIXEL) for part in UP_AND_DOWN])
    found = StateProjector.of(maps, PIXEL).project(views, slice(1, 6))
    assert found.shape == (5, 2, BOX, BOX // 2 + 1)
    pose = views.rotation[1:], views.shift_angstrom[1:]
    for state, part in enumerate(UP_AND_DOWN):
        exact = project_states(phantom, np.tile(part, (5, 1)), pose, BOX, PIXEL)
        shown = found[:, state] != 0
        difference = np.linalg.norm((found[:, state] - exact)[shown])
        assert difference < 0.02 * np.linalg.norm(exact[shown])
        assert np.linalg.norm(exact[~shown]) < 0.2 * np.linalg.norm(exact)


def test_states_occur_as_often_as_asked() -> None:
    """Shares are probabilities up to a factor; without them all states are equally likely."""
    settings = ModelSettings(particles=4000, shares=(3.0, 1.0))
    assert np.bincount(settings.draw_states(2)) / 4000 == pytest.approx([0.75, 0.25], abs=0.03)
    np.testing.assert_allclose(ModelSettings().probabilities(4), 0.25)


def test_the_best_classifier_is_calibrated() -> None:
    """Of the particles given a probability, so many are truly in that state."""
    generator = np.random.default_rng(3)
    templates, truth = generator.standard_normal((2, 5)), generator.integers(2, size=20000)
    data = templates[truth] + generator.standard_normal((20000, 5))
    gram = np.broadcast_to(templates @ templates.T, (20000, 2, 2))
    posterior = state_posteriors(data @ templates.T, gram, np.array([0.5, 0.5]))
    for low in (0.1, 0.4, 0.7):
        chosen = (posterior[:, 1] > low) & (posterior[:, 1] < low + 0.2)
        assert truth[chosen].mean() == pytest.approx(posterior[chosen, 1].mean(), abs=0.05)


def test_bad_shares() -> None:
    """Shares that are none, or too few, are refused with what to give instead."""
    with pytest.raises(SettingError, match=r"shares: found 1,0, expected positive numbers"):
        ModelSettings(shares=(1.0, 0.0))
    message = r"shares: found 2 numbers for 3 models, expected as many\. Give one number per model"
    with pytest.raises(SettingError, match=message):
        ModelSettings(shares=(1.0, 2.0)).probabilities(3)
