"""The strategy mask2d: invariants, controls and the planted truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.driver import Run, pack_runs, prepare_comparison, unpack_runs
from cryofocus.inference.mask2d import white_images
from cryofocus.inference.mask2d.comparison import Mask2dComparison, Mask2dState
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.statistics import posterior_kappa
from planted import BOX, CENTRE, KERNELS, N_SHELLS, RADIUS, Planted, plant
from samples import PIXEL_SIZE, ArrayReader, wrap_images

NOISE = 8.0
SPHERE = (*(c + BOX // 2 * PIXEL_SIZE for c in CENTRE), RADIUS + 4)
SPHERE_MASK = FocusMask.from_sphere(SPHERE, BOX, PIXEL_SIZE, soft_edge_angstrom=4.0)


@cache
def prepare(planted: Planted, mask: FocusMask, **options: object) -> Mask2dComparison:
    """Whiten a planted set and project its region."""
    half_set = (1 + np.arange(len(planted.labels)) // 2 % 2).astype(np.int8)
    images = wrap_images(planted.particles, planted.images)
    settings = ClassifierSettings(n_classes=2, strategy="mask2d", **options)
    return prepare_comparison(
        Ground(
            estimate_consensus(images, half_set, KERNELS),
            mask,
            half_set,
            N_SHELLS,
            KERNELS,
            SilentMonitor(),
        ),
        settings,
    )


def kappa_of(state: Mask2dState, planted: Planted) -> float:
    """Return kappa of two classes, whichever of them comes first."""
    return abs(posterior_kappa(state.posteriors, planted.labels))


def run(strategy: Mask2dComparison, n_cycles: int, seed: int = 0) -> Mask2dState:
    """Go through some cycles from a random start."""
    state = strategy.start(seed)
    for _ in range(n_cycles):
        state, _ = strategy.step(state)
    return state


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        (SPHERE_MASK, {}),
        (SPHERE_MASK, {"circle_edge_angstrom": 8.0}),
        (SPHERE_MASK, {"fitted_scale": True}),
        (plant(noise_sd=NOISE).mask, {}),
        (plant(noise_sd=NOISE).mask, {"projection_threshold": 0.0}),
    ],
    ids=["circle", "soft circle", "fitted scale", "thresholded mask", "soft mask"],
)
def test_planted_classes_are_found(mask: FocusMask, options: dict[str, object]) -> None:
    """From random occupancies, with every kind of region, nearly all particles are right."""
    planted = plant(noise_sd=NOISE)
    state = run(prepare(planted, mask, **options), 12)
    assert kappa_of(state, planted) > 0.85


def test_posteriors_sum_to_one() -> None:
    """Every particle is somewhere from the random start on."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    state = strategy.start(0)
    for _ in range(3):
        np.testing.assert_allclose(state.posteriors.sum(axis=1), 1)
        assert (state.posteriors >= 0).all()
        state, _ = strategy.step(state)


def test_runs_start_differently_and_reproducibly() -> None:
    """Each run has its own random stream, the same every time."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    starts = [strategy.start(run).posteriors for run in (0, 1, 0)]
    np.testing.assert_array_equal(starts[0], starts[2])
    assert np.abs(starts[0] - starts[1]).mean() > 0.1


def test_permuting_classes_permutes_the_result() -> None:
    """Class numbers mean nothing."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    start = strategy.start(0).posteriors
    first, second = (strategy.begin(p) for p in (start, start[:, ::-1].copy()))
    for _ in range(2):
        first, second = (strategy.step(state)[0] for state in (first, second))
    np.testing.assert_allclose(first.posteriors, second.posteriors[:, ::-1], atol=0.01)


def test_given_posteriors_are_the_start() -> None:
    """A strategy that was given a search starts from the posteriors it finds."""
    given = np.full((len(plant(noise_sd=NOISE).labels), 2), 0.5)
    strategy = replace(
        prepare(plant(noise_sd=NOISE), SPHERE_MASK), search=lambda run, advance: given
    )
    np.testing.assert_array_equal(strategy.start(1).posteriors, given)


def test_identical_classes_stay_identical() -> None:
    """Equal occupancies make equal maps, and equal maps equal occupancies."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    state, _ = strategy.step(strategy.begin(np.full((len(strategy.images), 2), 0.5)))
    np.testing.assert_allclose(state.posteriors, 0.5, atol=1e-6)


def test_a_checkpoint_continues_bit_for_bit() -> None:
    """Packed, unpacked and continued, a run is the same in every bit."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    state = run(strategy, 2)
    (resumed,) = unpack_runs(strategy, pack_runs(strategy, [Run(state)]))
    (ours, record), (theirs, same) = strategy.step(state), strategy.step(resumed.state)
    for name in ("posteriors", "sigma", "log_evidence", "inverse_tau2"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert record == same


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle in small portions ends where one in large portions does."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    together, _ = strategy.step(strategy.start(0))
    monkeypatch.setattr(white_images, "CHUNK_PARTICLES", 17)
    apart, _ = strategy.step(strategy.start(0))
    np.testing.assert_allclose(apart.posteriors, together.posteriors, atol=1e-3)


def test_one_filter_serves_all_classes() -> None:
    """A class of few particles is filtered by the power of all, not by its own poor half maps."""
    strategy = prepare(plant(noise_sd=NOISE), SPHERE_MASK)
    few = np.arange(len(strategy.images)) % 10 == 0
    start = strategy.begin(np.stack([~few, few], axis=1).astype(np.float64))
    shared, own = strategy.m_step(start)
    _, filtered = strategy.m_step(replace(start, inverse_tau2=shared.inverse_tau2))
    assert np.linalg.norm(filtered[1]) > 1.1 * np.linalg.norm(own[1])
    np.testing.assert_allclose(filtered[0], own[0], atol=0.1 * np.abs(own[0]).max())


def test_noise_gives_no_classes() -> None:
    """Images that hold nothing but noise stay undecided."""
    strategy = prepare(plant(noise_sd=NOISE, signal=0.0), SPHERE_MASK)
    state = run(strategy, 15)
    assert kappa_of(state, plant(noise_sd=NOISE)) < 0.15
    # So small a box has few coefficients for the FSC, which noise makes agree by chance.
    assert state.posteriors.max(axis=1).mean() < 0.7


def test_the_circle_decides_what_counts() -> None:
    """A circle that shows another place tells the classes apart worse than the right one."""
    planted = plant(noise_sd=NOISE)
    away = tuple(2 * BOX // 2 * PIXEL_SIZE - c for c in SPHERE[:3])
    other = FocusMask.from_sphere((*away, 6.0), BOX, PIXEL_SIZE, soft_edge_angstrom=0.0)
    right, wrong = (prepare(planted, mask) for mask in (SPHERE_MASK, other))
    truth = np.stack([planted.labels == 0, planted.labels == 1], axis=1).astype(np.float64)
    kappas = [
        posterior_kappa(s.step(s.begin(truth))[0].posteriors, planted.labels)
        for s in (right, wrong)
    ]
    assert kappas[0] > kappas[1] + 0.1


def test_the_classifier_runs_it() -> None:
    """From images to class maps, with a magnification that stretches frequencies outwards."""
    planted = plant(noise_sd=NOISE)
    optics = planted.particles.optics[0]
    stretched = replace(optics.microscope, magnification_matrix=((1.04, 0.01), (0.01, 0.99)))
    particles = replace(planted.particles, optics=(replace(optics, microscope=stretched),))
    settings = ClassifierSettings(n_classes=2, strategy="mask2d", n_runs=2, max_cycles=2)
    result = FocusedClassifier(settings, KERNELS).fit(
        particles, ArrayReader(planted.images), SPHERE_MASK
    )
    assert np.isfinite(result.posteriors).all()
    assert [len(run.history) for run in result.runs] == [2, 2]
    assert len(result.maps) == 2


def test_an_option_the_region_does_not_use_is_refused() -> None:
    """A circle's edge makes no sense for a mask file; nothing is ignored silently."""
    with pytest.raises(SettingError, match="the region is a mask file, which does not use it"):
        prepare(plant(noise_sd=NOISE), plant(noise_sd=NOISE).mask, circle_edge_angstrom=4.0)
