"""What varies outside the region in focus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.inference.driver import prepare_comparison
from cryofocus.inference.factors.outside import describe_outside
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.masks import sphere_mask
from lumps import BOX, PLACES, make_ground
from samples import PIXEL_SIZE


def focus_on(place: int) -> tuple[Ground, np.ndarray]:
    """Focus on one of four lumps, of which three come and go."""
    ground, present = make_ground()
    mask = sphere_mask(BOX, PIXEL_SIZE, tuple(PLACES[place]), 12.0, 4.0)
    return replace(ground, mask=FocusMask(mask, PIXEL_SIZE)), present


def test_coordinates_follow_what_is_outside() -> None:
    """Seen from the constant lump, a field's coordinates tell which particles have the others."""
    ground, present = focus_on(3)
    found = describe_outside(ground, seed=1)
    assert found is not None
    related = np.corrcoef(found.coordinates.T, present[:, :3].T)[: found.coordinates.shape[1]]
    assert np.abs(related[:, -3:]).max() > 0.5
    assert found.n_shells == ground.n_shells


def test_noise_has_no_fields() -> None:
    """Where particles differ by nothing but noise, the background stays rigid."""
    ground, _ = make_ground(200, 400.0)
    assert describe_outside(ground, seed=1) is None


@pytest.mark.parametrize("strategy", ["residual", "subtract"])
def test_the_option_reaches_the_statistics(strategy: str) -> None:
    """With a flexible background less is left of the images outside the region."""
    ground, _ = focus_on(3)
    settings = ClassifierSettings(n_classes=2, strategy=strategy, background="flexible")
    plain = prepare_comparison(ground, replace_background(settings, "rigid"))
    flexible = prepare_comparison(ground, settings)

    def power(comparison: object) -> float:
        data = comparison.problem.statistics.whole().data  # type: ignore[attr-defined]
        return float((np.abs(data) ** 2).sum())

    assert power(flexible) < power(plain)


def replace_background(settings: ClassifierSettings, choice: str) -> ClassifierSettings:
    return ClassifierSettings(**(settings.model_dump() | {"background": choice}))
