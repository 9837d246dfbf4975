"""Lists of symmetry operators that users write themselves, for pseudo-symmetry.

One operator a line: the nine elements of the rotation matrix row by row, and, if the operator also
moves, the three elements of the translation in Å; white space or commas between them, `#` starts a
comment. The operator carries the point x (x, y, z in Å from the box centre) to `R x + t`. The
identity need not be listed; it always comes first, whether and wherever it is listed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.complaints import say_unreadable, show
from cryofocus.errors import FormatError, InputError
from cryofocus.maths.symmetry import OperatorSet, nearest_rotation

# Matrices are often written with four digits; what is nearer to a rotation than this is made one.
ROUNDING = 2e-3
# Two operators nearer than this, in matrix elements and Å, are one that was written twice.
SAME = 1e-2
# The largest point group has 60; every operator is compared with all before it.
MAX_OPERATORS = 1000
# Beyond this nothing is moved.
FARTHEST_ANGSTROM = 1e6
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?")
WANTED = "expected nine numbers (a rotation matrix, row by row), or twelve with a translation in Å"


def read_operators(path: Path | str) -> OperatorSet:
    """Read a list of operators.

    Args:
        path: Text file as described in the module's docstring.

    Returns:
        The identity and the operators in the file's order, each made exactly a rotation.

    Raises:
        InputError: If there is no such file.
        FormatError: If it is no text, a line does not hold an operator, a matrix is no rotation,
            an operator stands twice, or there is none but the identity.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(say_unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file; {WANTED} on each line.") from error
    operators = [np.eye(3, 4)]
    line_of = [0]
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        operator = _parse(words, f"{path}, line {number}")
        away = np.abs(np.stack(operators) - operator).max(axis=(1, 2))
        nearest = int(away.argmin())
        if len(operators) > MAX_OPERATORS:
            raise FormatError(
                f"{path}, line {number}: more than {MAX_OPERATORS} operators; expected those of "
                "one molecule. Check that this is the right file."
            )
        if away[nearest] > SAME:
            operators.append(operator)
            line_of.append(number)
        elif nearest > 0:
            raise FormatError(
                f"{path}, line {number}: the same operator as on line {line_of[nearest]}; "
                "expected every operator once. Remove one of them."
            )
    if len(operators) == 1:
        raise FormatError(f"{path}: no operator but the identity; {WANTED} on each line.")
    stacked = np.stack(operators)
    return OperatorSet(path.name, stacked[:, :, :3].copy(), stacked[:, :, 3].copy())


def _parse(words: list[str], place: str) -> Float[np.ndarray, "3 4"]:
    """Make an operator, R beside t, of the words of a line."""
    wrong = next((word for word in words if not NUMBER.fullmatch(word)), None)
    if wrong is not None:
        raise FormatError(f"{place}: found {show(wrong)}, which is no number; {WANTED}.")
    numbers = np.array([float(word) for word in words])
    if len(numbers) not in (9, 12):
        raise FormatError(f"{place}: found {len(numbers)} numbers; {WANTED}.")
    matrix, translation = numbers[:9].reshape(3, 3), numbers[9:] if len(numbers) > 9 else 0.0
    if np.abs(numbers).max() > FARTHEST_ANGSTROM:
        raise FormatError(
            f"{place}: found {np.abs(numbers).max():g}, but nothing is moved by more than "
            f"{FARTHEST_ANGSTROM:g} Å; {WANTED}."
        )
    off = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if off > ROUNDING:
        raise FormatError(
            f"{place}: the matrix is no rotation (R R^T differs from 1 by {off:.3g}); {WANTED}. "
            "Check the order of the numbers, and write them with at least four digits."
        )
    if np.linalg.det(matrix) < 0:
        raise FormatError(
            f"{place}: the matrix is a reflection (determinant -1); {WANTED}. Molecules have no "
            "mirror images: check the signs."
        )
    return np.column_stack([nearest_rotation(matrix), np.broadcast_to(translation, 3)])
