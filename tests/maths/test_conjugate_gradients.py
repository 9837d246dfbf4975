"""Conjugate gradients against a direct solution."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.conjugate_gradients import LinearSystem, solve_by_conjugate_gradients

SIZE = 12


def make_system() -> tuple[LinearSystem[np.ndarray], np.ndarray]:
    """A positive matrix of moderate condition, and its dense form."""
    generator = np.random.default_rng(1)
    factor = generator.standard_normal((SIZE, SIZE))
    matrix = factor @ factor.T + np.diag(np.arange(1.0, SIZE + 1))
    rhs = generator.standard_normal(SIZE)
    system = LinearSystem(
        lambda x: matrix @ x, rhs, 1 / np.diag(matrix), lambda a, b: float(a @ b)
    )
    return system, matrix


def test_it_solves_what_numpy_solves() -> None:
    """As many steps as unknowns solve the system."""
    system, matrix = make_system()
    found = solve_by_conjugate_gradients(system, tolerance=1e-12, max_steps=3 * SIZE)
    np.testing.assert_allclose(found.coefficients, np.linalg.solve(matrix, system.rhs), rtol=1e-6)
    assert found.n_steps <= 2 * SIZE


def test_a_start_at_the_solution_takes_no_step() -> None:
    """Nothing is left to do from the solution."""
    system, matrix = make_system()
    start = np.linalg.solve(matrix, system.rhs)
    found = solve_by_conjugate_gradients(system, start=start, tolerance=1e-6, max_steps=9)
    assert found.n_steps == 0
    np.testing.assert_array_equal(found.coefficients, start)


@pytest.mark.parametrize("steps", [1, 3])
def test_fewer_steps_go_part_of_the_way(steps: int) -> None:
    """Each step brings the solution nearer, in the norm of the matrix."""
    system, matrix = make_system()
    exact = np.linalg.solve(matrix, system.rhs)

    def distance(n: int) -> float:
        found = solve_by_conjugate_gradients(system, tolerance=0, max_steps=n)
        off = found.coefficients - exact
        return float(off @ matrix @ off)

    assert distance(steps) < distance(steps - 1)


def test_a_matrix_that_is_not_positive_is_solved_as_far_as_it_is() -> None:
    """A direction along which nothing is least is not followed."""
    matrix = np.diag([3.0, 2.0, -1.0])
    system = LinearSystem(lambda x: matrix @ x, np.ones(3), 1.0, lambda a, b: float(a @ b))
    found = solve_by_conjugate_gradients(system, tolerance=0, max_steps=9)
    assert found.n_steps == 1
    np.testing.assert_allclose(found.coefficients, 3 / 4)
