"""Lists of operators that users write themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.operator_file import read_operators
from cryofocus.errors import FormatError, InputError

HALF_TURN = "-1 0 0  0 -1 0  0 0 1"
WANTED = "expected nine numbers (a rotation matrix, row by row), or twelve with a translation in Å"


def write(tmp_path: Path, text: str) -> Path:
    """A file of operators."""
    path = tmp_path / "operators.txt"
    path.write_text(text)
    return path


def test_operators_are_read_with_the_identity_first(tmp_path: Path) -> None:
    """Comments, commas, translations and rounded matrices; the identity leads, listed or not."""
    text = f"# mine\n{HALF_TURN} # about z\n\n0.7071,-0.7071,0, 0.7071,0.7071,0, 0,0,1, 1,-2,3.5\n"
    identity = "1 0 0 0 1 0 0 0 1\n"
    for content in (text, text + identity, identity + text):
        operators = read_operators(write(tmp_path, content))
        assert len(operators) == 3
        assert operators.name == "operators.txt"
        np.testing.assert_array_equal(operators.rotation[0], np.eye(3))
        np.testing.assert_allclose(operators.rotation[1], np.diag([-1, -1, 1]), atol=1e-12)
        assert operators.rotation[2, 0, 0] == pytest.approx(np.sqrt(0.5), abs=1e-12)
        np.testing.assert_array_equal(
            operators.translation_angstrom, [[0, 0, 0], [0, 0, 0], [1, -2, 3.5]]
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", f", line 1: found 3 numbers; {WANTED}."),
        (f"\n{HALF_TURN[:-1]}x\n", f", line 2: found 'x', which is no number; {WANTED}."),
        (f"{HALF_TURN} 1 2 nan\n", f", line 1: found 'nan', which is no number; {WANTED}."),
        (
            "2 0 0 0 1 0 0 0 1\n",
            f", line 1: the matrix is no rotation (R R^T differs from 1 by 3); {WANTED}. "
            "Check the order of the numbers, and write them with at least four digits.",
        ),
        (
            "1 0 0 0 1 0 0 0 -1\n",
            f", line 1: the matrix is a reflection (determinant -1); {WANTED}. "
            "Molecules have no mirror images: check the signs.",
        ),
        (
            f"{HALF_TURN}\n# again\n{HALF_TURN}\n",
            ", line 3: the same operator as on line 1; expected every operator once. Remove one "
            "of them.",
        ),
        ("# none\n1 0 0 0 1 0 0 0 1\n", f": no operator but the identity; {WANTED} on each line."),
    ],
)
def test_what_is_no_operator_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each fault of a list has one message with the line and what was found."""
    path = write(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        read_operators(path)
    assert str(caught.value) == f"{path}{message}"


def test_files_that_are_no_lists_are_refused(tmp_path: Path) -> None:
    """A missing file and one that is no text are named."""
    with pytest.raises(InputError, match=r"none.txt: cannot be read \(No such file"):
        read_operators(tmp_path / "none.txt")
    path = tmp_path / "map.mrc"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FormatError, match=r"map.mrc: not a text file; expected nine numbers"):
        read_operators(path)
