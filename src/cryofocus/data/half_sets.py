"""Half sets: two halves of the particles that share no image and, if possible, no micrograph."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int8

# Of the particles, in the smaller half set.
LEAST_SHARE = 0.1


def deal_half_sets(
    given: Int[np.ndarray, " particle"],
    micrograph: Int[np.ndarray, " particle"],
    parent: Int[np.ndarray, " particle"],
    seed: int,
) -> tuple[Int8[np.ndarray, " particle"], str]:
    """Return half set 1 or 2 of every particle, and a sentence on where it came from.

    Given half sets are kept. Otherwise micrographs are dealt out whole, because particles of one
    micrograph may share errors; with a single micrograph, particles are dealt out at random. All
    copies of one particle under symmetry operators stay together, because they share its image.

    Args:
        given: Half sets of the table; 0 where it gives none.
        micrograph: Equal numbers: same micrograph.
        parent: Equal numbers: copies of one particle.
        seed: Of the deal.
    """
    given = given.astype(np.int8)
    if (given > 0).all() and len(np.unique(given)) == 2:
        said, sizes = "half sets as given in the particle table", np.bincount(given)[1:]
        if sizes.min() < LEAST_SHARE * sizes.sum():
            said += (
                f", of {sizes[0]} and {sizes[1]} particles: too unequal for their maps to be "
                "compared. Remove the column to have half sets dealt anew"
            )
        return given, said
    _, first, copy = np.unique(parent, return_index=True, return_inverse=True)
    generator = np.random.default_rng([seed, 0x4A1F])
    micrographs, index = np.unique(micrograph[first], return_inverse=True)
    if len(micrographs) >= 2:
        sizes = np.bincount(index)
        half_of = np.zeros(len(micrographs), np.int8)
        filled = [0, 0]
        for number in generator.permutation(len(micrographs)):
            smaller = int(filled[1] < filled[0])
            half_of[number] = smaller + 1
            filled[smaller] += int(sizes[number])
        return half_of[index][copy], f"half sets by micrograph (seed {seed})"
    shuffled = generator.permutation(len(first))
    half_set = np.empty(len(first), np.int8)
    half_set[shuffled] = 1 + np.arange(len(first)) % 2
    return half_set[copy], f"half sets at random (seed {seed})"
