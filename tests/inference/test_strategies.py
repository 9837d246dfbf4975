"""What makes each strategy: what is taken out of images, where runs start, what is found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus, refit_noise
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.consensus.sampling import sample_map
from cryofocus.data.mask import FocusMask
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.deviations.focus import (
    FocusBox,
    FocusPlan,
    FocusStatistics,
    measure_focus,
)
from cryofocus.inference.deviations.mask3d import masked_reference
from cryofocus.inference.deviations.subtract import subtracted_density
from cryofocus.inference.driver import prepare_comparison
from cryofocus.inference.mask2d.comparison import Mask2dComparison
from cryofocus.inference.references import scale_references
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.maths.filters import lowpass
from cryofocus.maths.statistics import posterior_kappa
from planted import BOX, KERNELS, N_SHELLS, SOFT_EDGE, plant, prepare
from samples import PIXEL_SIZE, ArrayReader, Beads

HALF_SET = (1 + np.arange(300) // 2 % 2).astype(np.int8)


def measure(consensus: Consensus, background: HalfGrids) -> FocusStatistics:
    """Take the statistics of the planted set."""
    box = FocusBox.around(plant().mask.data, PIXEL_SIZE, N_SHELLS)
    return measure_focus(background, consensus.image_model, FocusPlan(box, N_SHELLS))


def with_map(consensus: Consensus, volume: np.ndarray) -> Consensus:
    """Return a consensus of another map."""
    return replace(consensus, map=replace(consensus.map, full=volume.astype(np.float32)))


def make_ground(mask: FocusMask | None = None) -> Ground:
    """Prepare the planted set for a strategy."""
    consensus = prepare(plant())[1]
    region = mask or plant().mask
    return Ground(consensus, region, HALF_SET, N_SHELLS, KERNELS, SilentMonitor())


def class_maps() -> list[np.ndarray]:
    """Return maps that differ as the planted classes do, on the consensus's grey scale."""
    consensus, half = prepare(plant())[1].map.full, 0.5 * plant().difference
    return [(consensus + sign * half).astype(np.float32) for sign in (-1, 1)]


@cache
def classify(strategy: str) -> ClassificationResult:
    """Classify the planted set by one of the strategies."""
    planted = plant()
    settings = ClassifierSettings(n_classes=2, n_runs=1, strategy=strategy, seed=2)
    mask = planted.mask
    if strategy == "global":
        mask = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=SOFT_EDGE)
    if strategy == "mask2d":
        settings = settings.model_copy(update={"start": "subspace"})
        mask = FocusMask.from_sphere(
            (BOX // 2 * PIXEL_SIZE + 20.0, BOX // 2 * PIXEL_SIZE, BOX // 2 * PIXEL_SIZE, 14.0),
            BOX,
            PIXEL_SIZE,
            soft_edge_angstrom=SOFT_EDGE,
        )
    classifier = FocusedClassifier(settings, KERNELS)
    return classifier.fit(planted.particles, ArrayReader(planted.images), mask)


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_finds_the_planted_classes(strategy: str) -> None:
    """Each strategy tells the planted classes apart nearly as well as who knows the maps."""
    labels = plant().labels
    oracle = plant().oracle
    limit = ((oracle > 0) == labels).mean() * 2 - 1
    assert abs(posterior_kappa(classify(strategy).posteriors, labels)) > 0.9 * limit


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_masked_references_are_what_images_are_compared_with(weight: float) -> None:
    """mask3d compares as if the consensus were the masked reference itself."""
    consensus, mask = prepare(plant())[1], plant().mask.data
    consensus = replace(consensus, scale_prior=replace(consensus.scale_prior, variance=0.0))
    volume = consensus.map.full
    reference = mask * volume + weight * (1 - mask) * lowpass(volume, PIXEL_SIZE, 20.0)
    expected = with_map(consensus, reference)
    statistics = measure(consensus, masked_reference(consensus, mask, 20.0, weight, KERNELS))
    direct = measure(expected, whole_consensus(expected, KERNELS))
    scale = np.abs(direct.data).std()
    np.testing.assert_allclose(statistics.compared, direct.data, atol=1e-3 * scale)
    residual = measure(consensus, whole_consensus(consensus, KERNELS))
    np.testing.assert_allclose(statistics.data, residual.data, atol=1e-3 * scale)
    assert np.abs(statistics.compared - statistics.data).std() > 0.1 * scale


def test_a_reference_that_holds_everything_is_the_residual_strategy() -> None:
    """With weight 1 outside and no filter nothing is missing from the reference."""
    consensus = prepare(plant())[1]
    background = masked_reference(consensus, plant().mask.data, None, 1.0, KERNELS)
    statistics = measure(consensus, background)
    scale = np.abs(statistics.data).std()
    np.testing.assert_allclose(statistics.compared, statistics.data, atol=1e-4 * scale)


def test_missing_density_counts_as_noise() -> None:
    """mask3d measures its noise against masked references, so it is larger at low frequency."""
    settings = ClassifierSettings(n_classes=2, strategy="mask3d")
    precision = prepare_comparison(make_ground(), settings).problem.statistics.whole().precision
    residual = prepare(plant())[0].statistics.whole().precision
    assert precision.mean() < 0.95 * residual.mean()


def test_half_sets_are_subtracted_with_their_own_maps() -> None:
    """Where both half maps are the same map subtract is residual; where not, sets keep apart."""
    consensus, mask = prepare(plant())[1], plant().mask.data
    flat = np.ones_like(consensus.map.fsc)
    first, second = (Beads(np.array([[x, 0.0, 0.0]]), 6.0, np.array([300.0])) for x in (-20, -40))
    volumes = [beads.volume(BOX).astype(np.float32) for beads in (first, second)]
    alone = [
        measure(c, subtracted_density(c, mask, HALF_SET, KERNELS))
        for c in (
            replace(consensus, map=replace(consensus.map, fsc=flat, halves=(v, v)))
            for v in volumes
        )
    ]
    both = replace(consensus, map=replace(consensus.map, fsc=flat, halves=tuple(volumes)))
    together = measure(both, subtracted_density(both, mask, HALF_SET, KERNELS))
    for half, expected in enumerate(alone, start=1):
        rows = np.flatnonzero(half == HALF_SET)
        np.testing.assert_array_equal(together.data[rows], expected.data[rows])
    assert np.abs(alone[0].data - alone[1].data).max() > 0


def test_grids_of_half_sets_are_kept_apart() -> None:
    """A particle sees the map of its own half set, whatever the order of the particles."""
    images = prepare(plant())[1].images
    one, two = ((np.full((BOX,) * 3, v, np.float32),) for v in (1.0, 2.0))
    band, which = Band.disc(BOX, 4), np.array([5, 0, 2, 3])
    shared = HalfGrids(images, None, (one,), KERNELS).slices(band, which)
    apart = HalfGrids(images, HALF_SET, (one, two), KERNELS).slices(band, which)
    factor = HALF_SET[which].astype(np.float32)[:, None, None]
    np.testing.assert_allclose(apart, factor * shared, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_given_maps_start_the_first_run_and_name_the_classes(factor: float) -> None:
    """Maps in any grey scale are found again as classes in the order in which they were given."""
    planted = plant()
    settings = ClassifierSettings(n_classes=2, n_runs=2, seed=2)
    maps = [np.float32(factor) * volume for volume in class_maps()]
    for references, expected in ((maps, planted.labels), (maps[::-1], 1 - planted.labels)):
        classifier = FocusedClassifier(settings, KERNELS, references=references)
        result = classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)
        assert (result.labels == expected).mean() > 0.9


@pytest.mark.parametrize("strategy", ["residual", "mask2d"])
def test_given_maps_tell_particles_apart_before_any_cycle(strategy: str) -> None:
    """The first posteriors are those under the maps given; later runs start elsewhere."""
    settings = ClassifierSettings(n_classes=2, strategy=strategy, start="random")
    ground = make_ground(classify_mask())
    runs = prepare_comparison(ground, settings, tuple(class_maps()))
    labels = plant().labels
    assert posterior_kappa(runs.start(0).posteriors, labels) > 0.7
    assert abs(posterior_kappa(runs.start(1).posteriors, labels)) < 0.3


def classify_mask() -> FocusMask:
    """Return the planted sphere in the map's frame, as `--focus` gives it."""
    middle = BOX // 2 * PIXEL_SIZE
    sphere = (middle + 20.0, middle, middle, 14.0)
    return FocusMask.from_sphere(sphere, BOX, PIXEL_SIZE, soft_edge_angstrom=SOFT_EDGE)


def test_references_take_the_grey_scale_of_the_consensus() -> None:
    """One curve over shells undoes any sharpening and keeps what differs in proportion."""
    consensus = prepare(plant())[1].map.full
    maps = class_maps()
    blurred = [lowpass(5.0 * volume, PIXEL_SIZE, 30.0) for volume in maps]
    scaled = scale_references(blurred, consensus)
    kept = lowpass(consensus, PIXEL_SIZE, 40.0)
    np.testing.assert_allclose(
        lowpass(0.5 * (scaled[0] + scaled[1]), PIXEL_SIZE, 40.0), kept, atol=0.02 * kept.max()
    )
    difference = lowpass(scaled[0] - scaled[1], PIXEL_SIZE, 40.0)
    expected = lowpass(maps[0] - maps[1], PIXEL_SIZE, 40.0)
    np.testing.assert_allclose(difference, expected, atol=0.02 * np.abs(expected).max())


def test_as_many_references_as_classes() -> None:
    """Another number of maps than classes is refused."""
    with pytest.raises(SettingError, match="2 maps for 3 classes; expected one per cla"):
        FocusedClassifier(ClassifierSettings(n_classes=3), KERNELS, references=class_maps())


def test_a_solvent_mask_empties_the_consensus_outside() -> None:
    """Nothing of the consensus is left where the solvent mask is zero."""
    planted = plant()
    solvent = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=3 * PIXEL_SIZE)
    settings = ClassifierSettings(n_classes=2, n_runs=1, max_cycles=1)
    classifier = FocusedClassifier(settings, KERNELS, solvent=solvent)
    result = classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)
    assert (result.consensus.map.full[solvent.data == 0] == 0).all()
    assert result.consensus.map.full[solvent.data == 1].any()


def test_a_solvent_mask_bounds_the_references_of_mask2d() -> None:
    """Whole maps are multiplied by the solvent mask before they are compared."""
    settings = ClassifierSettings(n_classes=2, strategy="mask2d")
    ground = make_ground(classify_mask())
    solvent = classify_mask().data
    bounded = prepare_comparison(replace(ground, solvent=solvent), settings)
    free = prepare_comparison(ground, settings)
    maps = tuple(bounded.envelope.apply(volume) for volume in sampled(class_maps(), bounded))
    equal = np.full((300, 2), 0.5)
    with_solvent = bounded.e_step(bounded.begin(equal), sampled(class_maps(), bounded))[0]
    same = free.e_step(free.begin(equal), maps)[0]
    np.testing.assert_allclose(with_solvent.log_evidence, same.log_evidence, rtol=1e-3)
    without = free.e_step(free.begin(equal), sampled(class_maps(), free))[0]
    assert np.abs(without.log_evidence - same.log_evidence).max() > 1


def sampled(maps: list[np.ndarray], strategy: Mask2dComparison) -> list[np.ndarray]:
    """Sample maps as a strategy's references are."""
    return [sample_map(volume, strategy.images.reference_box) for volume in maps]


def test_starts_by_strategy() -> None:
    """Whole maps start at random, as published; deviations start in a subspace."""
    starts = {
        name: ClassifierSettings(n_classes=2, strategy=name).resolved_start for name in STRATEGIES
    }
    assert starts.pop("mask2d") == "random"
    assert set(starts.values()) == {"subspace"}


def test_a_random_start_knows_nothing() -> None:
    """Posteriors drawn at random agree with no class, and differ from run to run."""
    settings = ClassifierSettings(n_classes=2, start="random")
    strategy = prepare_comparison(make_ground(), settings)
    first, second = (strategy.start(run).posteriors for run in (0, 1))
    assert abs(posterior_kappa(first, plant().labels)) < 0.25
    assert np.abs(first - second).mean() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"outside_weight": 0.5},
            "outside_weight: found 0.5, but the strategy is residual, which does not use it. "
            "Leave it out, or choose --strategy mask3d.",
        ),
        (
            {"strategy": "mask2d", "outside_lowpass_angstrom": 30.0},
            "outside_lowpass_angstrom: found 30.0, but the strategy is mask2d",
        ),
        (
            {"strategy": "mask3d", "outside_lowpass_angstrom": 30.0, "outside_weight": 0.0},
            "outside_weight: found 0 with a low-pass filter outside the mask",
        ),
        (
            {"strategy": "residual", "prior": "none"},
            "prior: found none, but the strategy is residual",
        ),
        (
            {"strategy": "mask3d", "prior": "none", "storage": "bfloat16"},
            "storage: found bfloat16, but the prior is none, which does not use it",
        ),
        (
            {"strategy": "mask3d", "prior": "none", "n_classes": "auto"},
            "the strategy mask3d with different",
        ),
    ],
)
def test_options_of_other_strategies_are_refused(options: dict[str, object], message: str) -> None:
    """An option that would do nothing is an error that names the strategy it belongs to."""
    with pytest.raises(SettingError, match=message):
        ClassifierSettings.model_validate({"n_classes": 2, **options})


def test_masked_references_without_a_prior() -> None:
    """As published: whole maps are masked as reconstructed, and nothing outside is predicted."""
    planted, settings = (
        plant(),
        ClassifierSettings(n_classes=2, strategy="mask3d", prior="none", start="random"),
    )
    assert settings.method.objective == "log-likelihood"
    strategy = prepare_comparison(make_ground(), settings)
    assert isinstance(strategy, Mask2dComparison)
    assert strategy.region is None
    outside = planted.mask.data < 1e-6
    whole = np.ones_like(planted.mask.data)
    assert not strategy.envelope.apply(whole)[outside].any()
    state = strategy.start(0)
    for _ in range(12):
        state, _ = strategy.step(state)
    assert abs(posterior_kappa(state.posteriors, planted.labels)) > 0.85
    kept = ClassifierSettings(n_classes=2, strategy="mask3d", prior="none", outside_weight=0.5)
    envelope = prepare_comparison(make_ground(), kept).envelope
    assert 0.4 < envelope.apply(whole)[outside].max() <= 0.5


def test_whole_maps_out_of_random_posteriors_are_given_time() -> None:
    """Such runs count as settled only when a tenth of the usual change is left."""
    usual = ClassifierSettings(n_classes=2)
    assert usual.settled_change == usual.tolerance
    slow = [
        usual.model_copy(update={"strategy": "mask2d"}),
        usual.model_copy(update={"strategy": "mask3d", "prior": "none", "start": "random"}),
    ]
    assert [one.settled_change for one in slow] == [0.1 * usual.tolerance] * 2
    quick = usual.model_copy(update={"strategy": "mask2d", "start": "subspace"})
    assert quick.settled_change == usual.tolerance


def test_outside_weight_follows_the_filter() -> None:
    """A low-pass filter alone keeps the outside at full weight; neither leaves nothing there."""
    consensus, mask = prepare(plant())[1], plant().mask.data
    for options, weight in (
        ({}, 0.0),
        ({"outside_lowpass_angstrom": 30.0}, 1.0),
        ({"outside_weight": 0.3}, 0.3),
    ):
        settings = ClassifierSettings(n_classes=2, strategy="mask3d", **options)
        found = prepare_comparison(make_ground(), settings).problem.statistics.whole()
        lowpass_angstrom = settings.outside_lowpass_angstrom
        background = masked_reference(consensus, mask, lowpass_angstrom, weight, KERNELS)
        refitted = refit_noise(consensus, background.volumes[0][1], KERNELS)
        np.testing.assert_array_equal(found.compared, measure(refitted, background).compared)
