"""A few poses for each particle, best first, far enough apart to be different answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from cryofocus.maths.symmetry import OperatorSet


@dataclass(frozen=True, eq=False)
class Candidates:
    """Poses that particles may have.

    Attributes:
        rotation: `(n, candidate, 3, 3)` A of `cryofocus.maths.rotations`.
        shift_angstrom: `(n, candidate, 2)`.
        log_likelihood: `(n, candidate)` falling along each row; minus infinity where there is
            none.
    """

    rotation: Float64[np.ndarray, "n candidate 3 3"]
    shift_angstrom: Float64[np.ndarray, "n candidate 2"]
    log_likelihood: Float64[np.ndarray, "n candidate"]

    def __len__(self) -> int:
        """Count the particles."""
        return len(self.rotation)

    def take(self, particles: slice) -> Candidates:
        """Return the candidates of some particles."""
        return Candidates(
            self.rotation[particles],
            self.shift_angstrom[particles],
            self.log_likelihood[particles],
        )

    def columns(self, chosen: slice) -> Candidates:
        """Return some of the candidates of every particle."""
        return Candidates(
            self.rotation[:, chosen],
            self.shift_angstrom[:, chosen],
            self.log_likelihood[:, chosen],
        )

    def distinct(self, operators: OperatorSet, degrees: float, n: int) -> Candidates:
        """Keep the best few that differ, up to symmetry, by more than some degrees.

        Args:
            operators: Poses that these carry into each other are the same.
            degrees: Nearer than this to a better one is no other answer.
            n: Candidates to keep; where a particle has fewer, the last ones are of likelihood
                zero.
        """
        kept = np.zeros((len(self), n), np.int64)
        found = np.zeros((len(self), n), bool)
        order = np.argsort(-self.log_likelihood, axis=1, kind="stable")
        for i in range(len(self)):
            near = near_each_other(self.rotation[i], operators, degrees)
            count = 0
            for j in order[i]:
                if count == n or not np.isfinite(self.log_likelihood[i, j]):
                    break
                if not near[j, kept[i, :count]].any():
                    kept[i, count], found[i, count] = j, True
                    count += 1
        row = np.arange(len(self))[:, None]
        score = np.where(found, self.log_likelihood[row, kept], -np.inf)
        return Candidates(self.rotation[row, kept], self.shift_angstrom[row, kept], score)


def join(parts: Sequence[Candidates], *, axis: Literal[0, 1] = 0) -> Candidates:
    """Put candidates of several groups of particles, or (axis 1) of the same ones, together."""
    return Candidates(
        np.concatenate([part.rotation for part in parts], axis=axis),
        np.concatenate([part.shift_angstrom for part in parts], axis=axis),
        np.concatenate([part.log_likelihood for part in parts], axis=axis),
    )


def near_each_other(
    rotation: Float64[np.ndarray, "m 3 3"], operators: OperatorSet, degrees: float
) -> Bool[np.ndarray, "m m"]:
    """Tell which rotations are, up to symmetry, nearer to each other than some degrees."""
    # trace(A R^T B^T) = 1 + 2 cos(angle between A R^T and B).
    flat = rotation.reshape(-1, 9)
    trace = np.full((len(flat), len(flat)), -np.inf)
    for operator in operators.rotation:
        np.maximum(trace, (rotation @ operator.T).reshape(-1, 9) @ flat.T, out=trace)
    return np.asarray(trace > 1 + 2 * np.cos(np.radians(degrees)))
