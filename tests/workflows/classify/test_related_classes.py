"""Classes of an expanded set that are one another's image are found, independent units are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.data.expansion import Expansion
from cryofocus.data.images import ImageReader
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import select_kernels
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows.classify.findings import judge
from cryofocus.workflows.classify.inputs import read_inputs
from cryofocus.workflows.classify.related_classes import RelatedClasses, find_related_classes
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.run.job import FindingCode, Severity
from cryofocus.workflows.simulate.humanoid import SimulatedSet

BOX, VOXEL, N_SHELLS = 32, 4.0, 10
PLACE = np.array([28.0, 0.0, 4.0])
UP, DOWN = np.array([0.0, 4.0, 10.0]), np.array([0.0, -6.0, -10.0])
MASK = sphere_mask(BOX, VOXEL, (28.0, 0.0, 4.0), 20.0, 0.0)


def make_map(operators: OperatorSet, up: list[float], seed: int, noise: float) -> MapEstimate:
    """Arms of every unit, each up in some share of the particles, and a body, in noise."""
    axis = (np.arange(BOX) - BOX // 2) * VOXEL
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")[::-1], axis=-1)

    def blob(centre: np.ndarray) -> np.ndarray:
        return np.exp(-((grid - centre) ** 2).sum(axis=-1) / (2 * 6.0**2))

    density = 3 * blob(np.zeros(3))
    for rotation, move, share in zip(
        operators.rotation, operators.translation_angstrom, up, strict=True
    ):
        density += share * blob(rotation @ (PLACE + UP) + move)
        density += (1 - share) * blob(rotation @ (PLACE + DOWN) + move)
    rng = np.random.default_rng(seed)
    halves = [(density + rng.normal(0, noise, density.shape)).astype(np.float32) for _ in range(2)]
    return MapEstimate(halves[0], (halves[0], halves[1]), np.ones(BOX // 2 + 1))


def find(
    operators: OperatorSet, shares: list[list[float]], noise: float = 0.3
) -> list[RelatedClasses]:
    """Related classes among maps with arms up in these shares, by class and unit."""
    maps = [make_map(operators, up, seed, noise) for seed, up in enumerate(shares)]
    return find_related_classes(maps, range(len(maps)), operators, MASK, VOXEL, N_SHELLS)


@pytest.mark.parametrize("name", ["C2", "C3", "D2"])
def test_a_class_and_its_image_are_a_pair(name: str) -> None:
    """One unit up in one class, the next up in the other: the operator between them is named."""
    operators = OperatorSet.point_group(name)
    n = len(operators)
    (pair,) = find(operators, [[1.0, *[0.0] * (n - 1)], [0.0, 1.0, *[0.0] * (n - 2)]])
    turn = operators.rotation[pair.operator]
    start, end = (operators.rotation[k] @ PLACE for k in (pair.first, pair.second))
    np.testing.assert_allclose(turn @ start, end, atol=1e-9)


def test_helices_move_along_the_axis() -> None:
    """A neighbour along a helix is found with its rise."""
    (pair,) = find(OperatorSet.helix(70.0, 12.0, 3), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert pair.operator in (1, 2)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_independent_units_are_no_pair(share: float) -> None:
    """Where the unit out of focus is the same mixture in both classes nothing is said."""
    assert find(OperatorSet.point_group("C2"), [[1.0, share], [0.0, share]]) == []
    assert find(OperatorSet.point_group("C2"), [[1.0, 0.35], [0.0, 0.65]]) == []


def test_noise_is_no_pair() -> None:
    """Maps that differ in noise alone are no images of one another."""
    assert find(OperatorSet.point_group("C2"), [[0.5, 0.5], [0.5, 0.5]], noise=1.0) == []


def test_a_classification_of_an_expanded_set_is_warned_of(
    small_set: SimulatedSet,
    ask: Callable[..., ClassifyRequest],
) -> None:
    """Operators come from the poses; sound classes give no warning, a class and its image do."""
    inputs = read_inputs(ask(small_set))
    plain, operators = inputs.particles, OperatorSet.point_group("C2")
    rotation, shift = operators.apply(plain.rotation, plain.shift_angstrom)
    rows = np.arange(2 * len(plain))
    expanded = replace(
        plain.take(rows // 2),
        rotation=rotation.reshape(-1, 3, 3),
        shift_angstrom=shift.reshape(-1, 2),
        expansion=Expansion(rows // 2, rows % 2),
    )
    inputs = replace(inputs, particles=expanded)
    settings = ClassifierSettings(n_classes=2, n_runs=2)
    classifier = FocusedClassifier(settings, select_kernels("cpu", 2))
    result = classifier.fit(expanded, ImageReader(expanded), inputs.mask)
    assert all(len(set(result.half_set[k : k + 2])) == 1 for k in rows[::2])
    found = judge(result, expanded, inputs.mask, settings.invert)
    assert not [finding for finding in found if finding.severity is Severity.WARNING]
    # Turned by 180 degrees about z on an even box, whose plane 0 has no partner.
    turned = [np.roll(half[:, ::-1, ::-1], (1, 1), axis=(1, 2)) for half in result.maps[0].halves]
    image = replace(result.maps[0], halves=(turned[0], turned[1]))
    undone = replace(result, maps=(result.maps[0], image))
    (finding,) = (
        finding
        for finding in judge(undone, expanded, inputs.mask, settings.invert)
        if finding.code is FindingCode.UNDONE_EXPANSION
    )
    assert finding.text.startswith("Class 2 is the image of class 1 under operator 2 of the symm")
    assert finding.figures["quotient"] < finding.figures["threshold"]
