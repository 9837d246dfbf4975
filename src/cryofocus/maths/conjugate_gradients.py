"""Large symmetric systems, solved by conjugate gradients (Hestenes & Stiefel 1952)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Vector = TypeVar("Vector")


@dataclass(frozen=True, eq=False)
class LinearSystem(Generic[Vector]):
    """A symmetric, positive system `operate(x) = rhs`; vectors may be arrays of any shape.

    Attributes:
        operate: Applies the matrix.
        rhs: Right-hand side.
        preconditioner: Diagonal that approximates the inverse matrix.
        dot: Scalar product of two vectors.
    """

    operate: Callable[[Vector], Vector]
    rhs: Vector
    preconditioner: Any
    dot: Callable[[Vector, Vector], float]


@dataclass(frozen=True, eq=False)
class Solution(Generic[Vector]):
    """What solves the system, and the steps it took."""

    coefficients: Vector
    n_steps: int


def solve_by_conjugate_gradients(
    system: LinearSystem[Any], *, start: Any = None, tolerance: float, max_steps: int
) -> Solution[Any]:
    """Solve a system until its residual is small, or for so many steps.

    A matrix that is not quite positive is solved as far as it is.

    Args:
        system: What is to be solved.
        start: Where to start; nothing by default.
        tolerance: Of the residual relative to the right-hand side, both preconditioned.
        max_steps: Bound on the steps.
    """
    rhs, preconditioner, dot = system.rhs, system.preconditioner, system.dot
    x = rhs * 0 if start is None else start
    residual = rhs - system.operate(x) if start is not None else rhs
    scaled = preconditioner * residual
    direction = scaled
    power = dot(residual, scaled)
    limit = tolerance**2 * dot(rhs, preconditioner * rhs)
    for step in range(max_steps):
        if power <= limit:
            return Solution(x, step)
        image = system.operate(direction)
        curvature = dot(direction, image)
        if curvature <= 0:
            return Solution(x, step)
        length = power / curvature
        x = x + length * direction
        residual = residual - length * image
        scaled = preconditioner * residual
        new_power = dot(residual, scaled)
        direction = scaled + (new_power / power) * direction
        power = new_power
    return Solution(x, max_steps)
