"""How the units of a symmetric molecule lie to each other, and whether they choose independently.

Hard classes would not do: units that are misclassified at random look independent. The joint
distribution P(k, l) of a pair's classes is estimated from posteriors instead. Divided by the
class weights, a posterior is what the image says, L_ik; the likelihood of a particle's pair is
`sum_kl P_kl L1_ik L2_il`, and EM maximises it over P (docs/derivations/covariance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.covariance.significance import adjust_p_values, n_permutations
from cryofocus.maths.symmetry import OperatorSet

MAX_CYCLES, TOLERANCE = 2000, 1e-7
# Resampled and permuted sets whose joint distribution is estimated anew.
N_RESAMPLED, N_SHUFFLED = 40, 10
# A class this rare has no likelihood worth dividing by.
SMALLEST_WEIGHT = 1e-6
# Derived from poses that were written with six decimals, or refined a little afterwards.
SAME_MOTION = 0.05

Joint = Float64[np.ndarray, "k k"]
Likelihoods = Float64[np.ndarray, "pair parent k"]


@dataclass(frozen=True, eq=False)
class Relation:
    """All pairs of units that lie to each other in the same way.

    Attributes:
        pairs: `(pair, 2)` columns of the operators: the first unit sees the second in the same
            place in every pair.
        angle_degrees: Of the rotation from one to the other; None where operators are unknown.
        shift_angstrom: Length of the move that goes with it; None likewise.
        is_mutual: Whether the second sees the first as the first sees the second, so that the
            order within a pair means nothing.
    """

    pairs: Int[np.ndarray, "pair 2"]
    angle_degrees: float | None
    shift_angstrom: float | None
    is_mutual: bool


def find_relations(n_units: int, operators: OperatorSet | None) -> list[Relation]:
    """Sort the pairs of units by the motion that carries one to the other.

    The copy under operator u shows unit u in the focus. There, unit v lies where
    `g = T_u T_v^-1` carries the focus; g and its inverse are one relation.

    Args:
        n_units: Number of operators of the expanded set.
        operators: The operators, in the same order; None where poses do not tell, and every pair
            is a relation of its own.

    Returns:
        By rotation angle, then by shift.
    """
    first, second = np.triu_indices(n_units, 1)
    if operators is None:
        pairs_of_units = np.stack([first, second], axis=1)
        return [Relation(pair[None], None, None, is_mutual=False) for pair in pairs_of_units]
    motions = _motions(operators)
    relations: list[tuple[Float64[np.ndarray, "4 4"], list[tuple[int, int]], bool]] = []
    for u, v in zip(first.tolist(), second.tolist(), strict=True):
        motion = motions[u] @ np.linalg.inv(motions[v])
        back = np.linalg.inv(motion)
        for known, pairs, _ in relations:
            if _same(known, motion):
                pairs.append((u, v))
                break
            if _same(known, back):
                pairs.append((v, u))
                break
        else:
            relations.append((motion, [(u, v)], _same(motion, back)))
    found = [
        Relation(np.array(pairs), _angle(motion), float(np.linalg.norm(motion[:3, 3])), is_mutual)
        for motion, pairs, is_mutual in relations
    ]
    return sorted(found, key=lambda r: (round(r.angle_degrees or 0), r.shift_angstrom or 0))


def _motions(operators: OperatorSet) -> Float64[np.ndarray, "n 4 4"]:
    """Operators as homogeneous matrices."""
    motions = np.tile(np.eye(4), (len(operators), 1, 1))
    motions[:, :3, :3] = operators.rotation
    motions[:, :3, 3] = operators.translation_angstrom
    return motions


def _same(first: Float64[np.ndarray, "4 4"], second: Float64[np.ndarray, "4 4"]) -> bool:
    rotations = np.abs(first[:3, :3] - second[:3, :3]).max() < SAME_MOTION
    # Å, not matrix elements: poses that wobble by a hundredth turn move a unit by Å.
    return bool(rotations and np.abs(first[:3, 3] - second[:3, 3]).max() < 20 * SAME_MOTION)


def _angle(motion: Float64[np.ndarray, "4 4"]) -> float:
    cosine = (np.trace(motion[:3, :3]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Classes of the pairs of units that lie to each other in one way.

    Attributes:
        relation: How they lie.
        n_pairs: Pairs of units seen, over all particles.
        counts: `(class, class)` pairs by their most probable classes, first and second unit.
        joint: `(class, class)` estimated share of each combination, misclassification corrected.
        expected: `(class, class)` the same if units chose independently.
        p_values: `(class, class)` of that hypothesis for one combination, by permutation, adjusted
            for the number of combinations of all relations.
        coupling: Part of the pairs in which one unit follows the other: 0 independent, 1 always
            the same class, negative if they avoid each other's.
        coupling_error: Standard error, by resampling particles.
        information_bits: Mutual information of the two classes, less what independent units would
            give by chance.
        p_value: Of independence as a whole.
        adjusted_p_value: The same, adjusted for the number of relations.
    """

    relation: Relation
    n_pairs: int
    counts: Joint
    joint: Joint
    expected: Joint
    p_values: Joint
    coupling: float
    coupling_error: float
    information_bits: float
    p_value: float
    adjusted_p_value: float


def measure_cooccurrence(
    posteriors: Float64[np.ndarray, "parent unit k"],
    relations: Sequence[Relation],
    generator: np.random.Generator,
) -> list[Cooccurrence]:
    """Estimate and test the joint classes of every relation.

    Args:
        posteriors: Of the units of all particles that have every unit.
        relations: From `find_relations`.
        generator: Of permutations and resampling.
    """
    likelihoods = posteriors / np.maximum(posteriors.mean(axis=(0, 1)), SMALLEST_WEIGHT)
    tests = [independence_p_values(likelihoods, relation, generator) for relation in relations]
    overall = adjust_p_values(np.array([test[0] for test in tests]))
    by_class = adjust_p_values(np.concatenate([test[1].ravel() for test in tests]))
    n_classes = posteriors.shape[2]
    found = []
    for number, relation in enumerate(relations):
        first, second = _sides(likelihoods, relation)
        joint = joint_distribution(first, second, symmetric=relation.is_mutual)
        couplings = [
            coupling(
                joint_distribution(
                    first, second, symmetric=relation.is_mutual, weights=weights, start=joint
                )
            )
            for weights in _resampled(len(posteriors), generator)
        ]
        cells = by_class[number * n_classes**2 : (number + 1) * n_classes**2]
        found.append(
            Cooccurrence(
                relation=relation,
                n_pairs=first.shape[0] * first.shape[1],
                counts=_count(posteriors, relation),
                joint=joint,
                expected=np.outer(joint.sum(axis=1), joint.sum(axis=0)),
                p_values=cells.reshape(n_classes, n_classes),
                coupling=coupling(joint),
                coupling_error=float(np.std(couplings)),
                information_bits=_information(first, second, joint, relation, generator),
                p_value=tests[number][0],
                adjusted_p_value=float(overall[number]),
            )
        )
    return found


def joint_distribution(
    first: Likelihoods,
    second: Likelihoods,
    *,
    symmetric: bool,
    weights: Float64[np.ndarray, " parent"] | None = None,
    start: Joint | None = None,
) -> Joint:
    """Estimate the joint class distribution of pairs from what images say of each unit, by EM.

    Args:
        first: `(pair, parent, class)` likelihoods of the first of each pair, up to a factor of the
            row.
        second: Those of the second.
        symmetric: Whether the order within pairs means nothing.
        weights: Of the parents; equal by default.
        start: Uniform by default.
    """
    n_classes = first.shape[2]
    row_weights = np.tile(np.ones(first.shape[1]) if weights is None else weights, len(first))
    one, two = first.reshape(-1, n_classes), second.reshape(-1, n_classes)
    total = row_weights.sum()
    joint = np.full((n_classes, n_classes), n_classes**-2.0) if start is None else start
    for _ in range(MAX_CYCLES):
        evidence = np.einsum("ik,kl,il->i", one, joint, two, optimize=True)
        share = row_weights / np.maximum(evidence, np.finfo(float).tiny)
        new = joint * ((one * share[:, None]).T @ two) / total
        if symmetric:
            new = 0.5 * (new + new.T)
        new /= new.sum()
        change = np.abs(new - joint).max()
        joint = new
        if change < TOLERANCE:
            break
    return np.asarray(joint)


def coupling(joint: Joint) -> float:
    """Return the part of the pairs in which one unit follows the other (kappa of the table).

    If a unit copies its partner's class with probability c and chooses freely otherwise, this is
    c, whatever the number and the shares of the classes.
    """
    chance = float(joint.sum(axis=1) @ joint.sum(axis=0))
    return float((np.trace(joint) - chance) / (1 - chance)) if chance < 1 else 0.0


def mutual_information_bits(joint: Joint) -> float:
    """Return the mutual information of the two classes in bits."""
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    filled = joint > 0
    return float((joint[filled] * np.log2(joint[filled] / expected[filled])).sum())


def _sides(
    likelihoods: Float64[np.ndarray, "parent unit k"], relation: Relation
) -> tuple[Likelihoods, Likelihoods]:
    by_unit = np.moveaxis(likelihoods, 1, 0)
    return by_unit[relation.pairs[:, 0]], by_unit[relation.pairs[:, 1]]


def independence_p_values(
    likelihoods: Float64[np.ndarray, "parent unit k"],
    relation: Relation,
    generator: np.random.Generator,
) -> tuple[float, Joint]:
    """Permute second units over the particles; p-values of the whole table and of each cell.

    The statistic is the score of P at independence, `sum_i (L1_ik - 1)(L2_il - 1)`, each cell
    over its standard deviation; of the whole table, the sum of their squares.

    Args:
        likelihoods: Posteriors over class weights.
        relation: Whose pairs are tested.
        generator: Of the permutations.
    """
    first, second = _sides(likelihoods - 1.0, relation)
    n_pairs, n, n_classes = first.shape
    # The second unit's rows by parent, so that a permutation keeps what belongs together.
    one = np.ascontiguousarray(np.moveaxis(first, 0, 1))
    two = np.ascontiguousarray(np.moveaxis(second, 0, 1))
    power = np.outer((one**2).sum(axis=(0, 1)), (two**2).sum(axis=(0, 1))) / (n * n_pairs)
    deviation = np.sqrt(np.maximum(power, np.finfo(float).tiny))

    def score(partner: Float64[np.ndarray, "parent pair k"]) -> Joint:
        table = one.reshape(-1, n_classes).T @ partner.reshape(-1, n_classes)
        return np.asarray((table + table.T if relation.is_mutual else table) / deviation)

    observed = score(two)
    n_rounds = n_permutations(n * n_pairs)
    exceeding_cells, exceeding = np.ones((n_classes, n_classes)), 1
    for _ in range(n_rounds):
        shuffled = score(two[generator.permutation(n)])
        exceeding_cells += np.abs(shuffled) >= np.abs(observed)
        exceeding += int((shuffled**2).sum() >= (observed**2).sum())
    return exceeding / (n_rounds + 1), exceeding_cells / (n_rounds + 1)


def _resampled(n: int, generator: np.random.Generator) -> list[Float64[np.ndarray, " parent"]]:
    return [
        generator.multinomial(n, np.full(n, 1 / n)).astype(np.float64) for _ in range(N_RESAMPLED)
    ]


def _information(
    first: Likelihoods,
    second: Likelihoods,
    joint: Joint,
    relation: Relation,
    generator: np.random.Generator,
) -> float:
    """Take off what the estimate finds between units of different particles."""
    chance = [
        mutual_information_bits(
            joint_distribution(
                first,
                second[:, generator.permutation(first.shape[1])],
                symmetric=relation.is_mutual,
            )
        )
        for _ in range(N_SHUFFLED)
    ]
    return mutual_information_bits(joint) - float(np.mean(chance))


def _count(posteriors: Float64[np.ndarray, "parent unit k"], relation: Relation) -> Joint:
    """Count pairs by their most probable classes."""
    labels, n_classes = posteriors.argmax(axis=2), posteriors.shape[2]
    first, second = (labels[:, relation.pairs[:, side]].ravel() for side in (0, 1))
    counts = np.bincount(first * n_classes + second, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.float64)
