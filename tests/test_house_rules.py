"""The house-rule script finds each kind of breach, and only those."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_house_rules.py"

ARGS = '''def f(x, *more):
    """Do.

    Args:
        {}
    """
'''
ATTRIBUTES = '''class C:
    """Hold.

    Attributes:
        x: A field
            with more to say: this.
        {}: Another.

    Words that follow.
    """

    x: int

    def __init__(self):
        self.w = 1

    @property
    def y(self):
        return 1
'''

BREACHES = {
    "file too long": ("src/pkg/a.py", "x = 1\n" * 401, "401 lines"),
    "unfinished": ("src/pkg/a.py", "# TODO later\n", "TODO: finish it"),
    "exemption without reason": ("src/pkg/a.py", "import os  # noqa: F401\n", "noqa: RULE reason"),
    "bare type exemption": ("src/pkg/a.py", "x: int = ''  # type: ignore\n", "ignore[code]"),
    "former version": ("src/pkg/a.py", "def read_v2(): ...\n", "read_v2: the history"),
    "former file": ("src/pkg/reader_old.py", "x = 1\n", "reader_old: the history"),
    "global state": ("tests/helper.py", "def f():\n    global x\n    x = 1\n", "global"),
    "call on import": ("src/pkg/a.py", "import logging\nlogging.disable()\n", "a call at import"),
    "environment on import": ("src/pkg/a.py", "import os\nX = os.environ['X']\n", "'environ'"),
    "silent compiler": ("src/pkg/a.py", "@nb.njit(cache=True)\ndef f(): ...\n", "state fastmath"),
    "bare compiler": ("src/pkg/a.py", "@njit\ndef f(): ...\n", "state cache and fastmath"),
    "stray transform": ("src/pkg/a.py", "from scipy import fft\n", "use maths/fourier.py"),
    "stray shift": ("src/pkg/data/a.py", "x = np.fft.fftshift(y)\n", "use maths/fourier.py"),
    "wordless test": ("tests/test_a.py", "def test_a():\n    pass\n", "say in a sentence"),
    "section of numpydoc": (
        "src/pkg/a.py",
        'def f(x):\n    """Do.\n\n    Parameters\n    ----------\n    x : it\n    """\n',
        "a.py:5: Parameters: write sections as 'Args:'",
    ),
    "parameter that is none": ("src/pkg/a.py", ARGS.format("y: It."), "a.py:5: Args: 'y' is no"),
    "parameter left out": ("src/pkg/a.py", ARGS.format("x: It."), "a.py:4: Args: without *more"),
    "entry for two": ("src/pkg/a.py", ARGS.format("x, *more: They."), "'x, *more' is no name"),
    "entry without prose": ("tests/helper.py", ARGS.format("x:"), "'x:': write 'name: prose'"),
    "field that is none": ("src/pkg/a.py", ATTRIBUTES.format("z"), "Attributes: 'z' is no name"),
}

ALLOWED = {
    "src/pkg/a.py": '"""Words."""\nX = 1\nif X:\n    Y = max(1, 2)\nclass S:\n    seed: int = 1\n',
    "src/pkg/b.py": "import numba as nb\n@nb.njit(cache=True, fastmath=False)\ndef f(): ...\n",
    "src/pkg/c.py": "def f():\n    return open('x')  # noqa: SIM115 the caller closes it\n",
    "src/pkg/maths/a.py": "import scipy.fft\n",
    "src/pkg/cli.py": "app = make()\napp.command('run')(run)\n",
    "src/pkg/d.py": ARGS.format("x: It.\n        *more: The others."),
    "src/pkg/e.py": ATTRIBUTES.format("y"),
    "src/pkg/f.py": ATTRIBUTES.format("w"),
    "tests/test_a.py": 'def test_a():\n    """Nothing is as it is."""\n',
}


# A folder that imports, in a function only, from one that imports from it.
CIRCLE = {
    "src/pkg/__init__.py": "",
    "src/pkg/low/__init__.py": "",
    "src/pkg/low/a.py": "def f():\n    from pkg.high import b\n    return b\n",
    "src/pkg/low/c.py": "",
    "src/pkg/high/__init__.py": "",
    "src/pkg/high/b.py": "import pkg.low.c\n",
}
CONTRACTS = """
[importlinter]
root_package = pkg
[importlinter:contract:layers]
name = Layers
type = layers
layers =
    pkg.high
    pkg.low
[importlinter:contract:circles]
name = Circles
type = acyclic_siblings
ancestors = pkg
"""


def run_script(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_files(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("case", BREACHES)
def test_breach_is_found(case: str, tmp_path: Path) -> None:
    """Each kind of breach makes the script fail and name the file."""
    name, text, message = BREACHES[case]
    write_files(tmp_path, {name: text})
    result = run_script(tmp_path)
    assert result.returncode == 1
    assert name in result.stdout
    assert message in result.stdout


def test_clean_tree_passes(tmp_path: Path) -> None:
    """Code that looks a little like a breach but is none passes."""
    write_files(tmp_path, ALLOWED)
    result = run_script(tmp_path)
    assert result.stdout == "house rules: no breach; a function has 2 lines (median)\n"
    assert result.returncode == 0


def test_crowded_folder_is_found(tmp_path: Path) -> None:
    """A folder of the package holds 25 files besides __init__.py, and no more."""
    write_files(
        tmp_path, {f"src/pkg/a{i}.py": "" for i in range(25)} | {"src/pkg/__init__.py": ""}
    )
    assert run_script(tmp_path).returncode == 0
    write_files(tmp_path, {"src/pkg/b.py": ""})
    result = run_script(tmp_path)
    assert result.returncode == 1
    assert "src/pkg:1: 26 files; split it" in result.stdout


def test_long_functions_are_found(tmp_path: Path) -> None:
    """Functions have at most ten lines in the middle of their order."""
    text = "def {}():\n" + "    x = 1\n" * 11
    write_files(tmp_path, {"src/pkg/a.py": text.format("f") + text.format("g") + "def h(): ...\n"})
    result = run_script(tmp_path)
    assert result.returncode == 1
    assert "median function has 12 lines, at most 10" in result.stdout


def test_imports_inside_functions_count(tmp_path: Path) -> None:
    """An import in a function breaks the order of the layers and closes a circle of folders."""
    write_files(tmp_path, {**CIRCLE, ".importlinter": CONTRACTS})
    command = [shutil.which("lint-imports") or "lint-imports", "--no-logo", "--no-cache"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "src"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Layers BROKEN" in result.stdout
    assert "Circles BROKEN" in result.stdout
