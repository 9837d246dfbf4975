"""Classifications whose maps end before Nyquist: the classes are those of whole maps."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from cryofocus.consensus.reach import TO_NYQUIST, Reach
from cryofocus.data.mask import FocusMask
from cryofocus.errors import SettingError
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from planted import BOX, KERNELS, N_SHELLS, plant
from samples import PIXEL_SIZE, ArrayReader, correlation

LIMIT = BOX * PIXEL_SIZE / (N_SHELLS - 6.5)
STRATEGIES: list[dict[str, Any]] = [
    {"strategy": "residual"},
    {"strategy": "global"},
    {"strategy": "subtract"},
    {"strategy": "mask3d", "outside_lowpass_angstrom": 30.0},
]


@cache
def fit(map_resolution: float | str | None, **settings: Any) -> ClassificationResult:
    """Classify the planted set by eight shells."""
    planted = plant()
    shells = {"max_resolution_angstrom": 1.01 * BOX * PIXEL_SIZE / 8, "n_classes": 2, "n_runs": 1}
    chosen = ClassifierSettings(map_resolution=map_resolution, **shells, **settings)
    solvent = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=8.0)
    classifier = FocusedClassifier(chosen, KERNELS, solvent=solvent)
    return classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)


@pytest.mark.parametrize("settings", STRATEGIES)
def test_classes_are_those_of_maps_to_nyquist(settings: dict[str, Any]) -> None:
    """Every strategy finds the same classes and maps on grids of the band as on whole ones."""
    found, whole = fit(LIMIT, **settings), fit("nyquist", **settings)
    assert len(found.consensus.map.full) < BOX == len(whole.consensus.map.full)
    assert found.n_shells == whole.n_shells
    sure = whole.posteriors.max(axis=1) > 0.9
    same = (found.labels == whole.labels)[sure].mean()
    assert max(same, 1 - same) > 0.97
    order = [0, 1] if same > 0.5 else [1, 0]
    for k, other in enumerate(order):
        fine = found.maps[other].on_box(BOX)
        assert correlation(fine.full, whole.maps[k].full) > 0.98


def test_maps_given_to_start_from_may_be_whole() -> None:
    """References on the grid of the files start a run on the coarser grid of the band."""
    planted = plant()
    whole = fit("nyquist").maps
    shells = {"max_resolution_angstrom": 1.01 * BOX * PIXEL_SIZE / 8, "n_classes": 2, "n_runs": 1}
    classifier = FocusedClassifier(
        ClassifierSettings(map_resolution=LIMIT, **shells),
        KERNELS,
        references=[estimate.full for estimate in whole],
    )
    found = classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)
    assert (found.labels == fit("nyquist").labels).mean() > 0.9


def test_half_maps_decide_unless_pixels_are_compared() -> None:
    """Unless told, half maps say where maps end; mask2d keeps all pixels."""
    assert ClassifierSettings(n_classes=2, max_resolution_angstrom=9).reach == Reach(None, 9.0)
    assert ClassifierSettings(n_classes=2, strategy="mask2d").reach == TO_NYQUIST


@pytest.mark.parametrize("value", [0, -3.0, "fine"])
def test_what_is_no_resolution_is_refused(value: object) -> None:
    """The message says what maps can be made to."""
    with pytest.raises(SettingError, match="a resolution in Å above 0, or nyquist"):
        ClassifierSettings(n_classes=2, map_resolution=value)


def test_mask2d_refuses_a_resolution_of_maps() -> None:
    """Images that are compared pixel by pixel are not cropped in Fourier space."""
    with pytest.raises(SettingError, match="map_resolution: found 8, but the strategy mask2d"):
        ClassifierSettings(n_classes=2, strategy="mask2d", map_resolution=8)
