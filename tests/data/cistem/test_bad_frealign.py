"""Damaged and unusable Frealign files: each gives its one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import Supplement
from cryofocus.errors import CryofocusError
from cryofocus.maths.ctf import Microscope
from particle_files import par_text, write_stack_file


def message_of(path: Path, supplement: Supplement | None = None) -> str:
    """The text with which opening and reading a table fails."""
    with pytest.raises(CryofocusError) as caught:
        open_table(path, supplement).columns()
    return str(caught.value)


BAD_PAR = {
    "width": (
        lambda text: text.replace("   33.00    0.50", "   33.00"),
        "{file}, line 3: 17 columns, expected 16 as in the first row. The file may be cut short.",
    ),
    "unknown width": (
        lambda text: "1 2 3\n" + text,
        "{file}, line 1: 3 columns, expected 17 (FrealignX) or 16 (Frealign 9). Check that this "
        "is a Frealign parameter file.",
    ),
    "no number": (
        lambda text: text.replace("15001.0", "15OO1.0"),
        "{file}, line 3: could not convert string to float: '15OO1.0'; expected numbers only. "
        "Correct the file.",
    ),
    "no number but to Python": (
        lambda text: text.replace("15001.0", "15_01.0"),
        "{file}, line 3: could not convert string to float: '15_01.0'; expected numbers only. "
        "Correct the file.",
    ),
    "too wide": (
        lambda text: text.replace("15001.0", "*******"),
        "{file}, line 3: could not convert string to float: '*******'; expected numbers only "
        "(stars stand for a number that was too wide for its column). Correct the file.",
    ),
    "mark of an end": (
        lambda text: text + "\x1a",
        "{file}, line 7: 1 columns, expected 17 as in the first row. It is '\\x1a'. The file may "
        "be cut short.",
    ),
    "NaN": (
        lambda text: text.replace("15001.0", "    nan"),
        "{file}, line 3: Defocus1 is nan, expected a finite number (rows like this: 1). Correct "
        "or remove these rows.",
    ),
    "image 0": (
        lambda text: text.replace("      1   10.00", "      0   10.00"),
        "{file}, line 2: PositionInStack is 0, expected images counted from 1. Correct the table.",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_PAR.values(), ids=BAD_PAR.keys())
def test_damaged_par_files(
    tmp_path: Path, images: np.ndarray, spoil: Callable[[str], str], message: str
) -> None:
    """A parameter file of another width, or with something other than numbers, is refused."""
    write_stack_file(tmp_path / "s.mrc", images)
    path = tmp_path / "x.par"
    path.write_text(spoil(par_text()))
    said = Supplement(tmp_path / "s.mrc", Microscope(300, 2.7, 0.07))
    assert message_of(path, said) == message.replace("{file}", str(path))


def test_what_a_par_file_leaves_out(tmp_path: Path, images: np.ndarray) -> None:
    """Stack, microscope and pixel size are asked for one after the other."""
    path, stack = tmp_path / "x.par", tmp_path / "s.mrc"
    path.write_text(par_text())
    write_stack_file(stack, images, pixel_size=1.0)
    microscope = Microscope(300, 2.7, 0.07)
    assert message_of(path) == (
        f"{path}: a .par file does not say where its images are. Give their stack with --stack."
    )
    assert message_of(path, Supplement(stack, None, 2.0)) == (
        f"{path}: a .par file does not hold voltage, spherical aberration and amplitude contrast. "
        "Give them with --microscope KV,CS,CONTRAST, such as 300,2.7,0.07."
    )
    assert message_of(path, Supplement(stack, microscope)) == (
        f"{path}: neither the .par file nor the header of {stack} gives the pixel size. Give it "
        "with --pixel-size, in Å."
    )
    found = open_table(path, Supplement(stack, microscope, 2.0)).columns()
    assert found.optics[0].pixel_size_angstrom == 2.0
