"""References of groups: each half set's own, nearer to the particles, none where all are alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.ground import Ground
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.inference.factors import groups, model
from cryofocus.poses.by_class import ClassReferences, Membership, refine_by_class
from cryofocus.poses.prior import prior_of_width
from cryofocus.poses.rounds import References, RoundSettings, refine_in_rounds
from cryofocus.workflows.align.groups import GroupFinder
from lumps import KERNELS, N_SHELLS, make_ground

FEW = (240, 4.0)


def find(ground: Ground, n_groups: int = 3) -> References | None:
    """Groups of a set of lumps."""
    finder = GroupFinder(ground.half_set, n_groups, 1, KERNELS)
    return finder(ground.consensus, N_SHELLS)


@pytest.fixture(scope="module", autouse=True)
def few_cycles() -> Iterator[None]:
    """A few cycles, of two fields, tell lumps from noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "MAX_CYCLES", 6)
        patch.setattr(groups, "N_FIELDS", 2)
        yield


@pytest.fixture(scope="module")
def found(few_cycles: None) -> References:
    """Groups of particles in which three lumps come and go."""
    found = find(make_ground(*FEW)[0])
    assert found is not None
    return found


def gains(ground: Ground, found: References) -> np.ndarray:
    """Log-likelihood of every image at its true pose, which no refinement may leave."""
    still = prior_of_width(ground.consensus.images, 0.0, 0.0)
    return refine_by_class(ground.consensus, *found, still, KERNELS).log_likelihood_gain


def test_references_are_nearer_to_the_particles(found: References) -> None:
    """Images at their true poses are likelier beside their groups than beside the consensus."""
    ground, _ = make_ground(*FEW)
    one = (
        ClassReferences.of_consensus(ground.consensus, N_SHELLS),
        Membership.of_one_class(ground.half_set),
    )
    assert (gains(ground, found) - gains(ground, one)).mean() > 1.0


def test_half_sets_do_not_see_each_other(found: References) -> None:
    """What half set 1 is compared with stays the same when the images of half set 2 are others."""
    ground, _ = make_ground(*FEW)
    consensus, half_set = ground.consensus, ground.half_set
    order = np.arange(len(half_set))
    order[half_set == 2] = order[half_set == 2][::-1]
    first, second = consensus.map.halves
    shuffled = replace(
        consensus,
        images=replace(consensus.images, reader=consensus.images.reader.take(order)),
        map=MapEstimate(consensus.map.full, (first, np.roll(second, 3)), consensus.map.fsc),
    )
    other = find(replace(ground, consensus=shuffled))
    assert other is not None
    for ours, theirs in zip(found[0].halves, other[0].halves, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(found[1].labels[half_set == 1], other[1].labels[half_set == 1])


def test_noise_has_no_groups() -> None:
    """Where neither half set varies by more than noise, nothing is found."""
    assert find(make_ground(200, 400.0)[0]) is None


def test_rounds_end_with_groups(found: References) -> None:
    """Groups are asked for once the consensus has settled, and poses stay if there are none."""
    ground, _ = make_ground(*FEW)
    images: ParticleImages = ground.consensus.images
    settings, asked = RoundSettings(max_rounds=1), []

    def some(consensus: object, n_shells: int) -> References:
        asked.append(n_shells)
        return found

    plain = refine_in_rounds(images, ground.half_set, KERNELS, settings)
    none = refine_in_rounds(
        images, ground.half_set, KERNELS, settings, find_groups=lambda *_: None
    )
    grouped = refine_in_rounds(images, ground.half_set, KERNELS, settings, find_groups=some)
    assert (plain.n_rounds, none.n_rounds) == (1, 1)
    np.testing.assert_array_equal(none.poses.rotation, plain.poses.rotation)
    assert 1 <= len(asked) == grouped.n_rounds - 1 <= 2
    assert not np.array_equal(grouped.poses.rotation, plain.poses.rotation)
