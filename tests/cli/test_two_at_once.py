"""Two commands that write under one name: the second is refused before it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryofocus.workflows.run.claims import claim, names_claimed

TABLE, MAP, MASK = "set/particles.star", "MAP", "set/masks/near_arm.mrc"
# What each command is given besides -o, and what it writes.
COMMANDS = {
    "variance": ((TABLE,), "V"),
    "covary": ((TABLE, "--regions", f"a={MASK},b=set/masks/far_arm.mrc"), "C"),
    "subtract": ((TABLE, "--keep", "210,210,210,60"), "S"),
    "expand": ((TABLE, "--symmetry", "C2"), "table.star"),
    "convert": ((TABLE,), "table.cs"),
    "align refine": ((TABLE,), "table.star"),
    "align search": ((TABLE, "--reference", MAP), "table.star"),
    "reconstruct": ((TABLE,), "map.mrc"),
    "diffmap": ((MAP, MAP), "map.mrc"),
    "merge": ((MAP, MAP), "map.mrc"),
    "fit": ((MAP, "--to", MAP), "map.mrc"),
    "fsc": ((MAP, MAP), "F"),
    "mask sphere": (("210,210,210,60", "--like", MAP), "mask.mrc"),
    "mask threshold": ((MAP, "--sigma", "3"), "mask.mrc"),
    "simulate humanoid": (("--scenario", "1", "--snr", "0.1"), "set2"),
    "simulate assembly": ((), "set2"),
    "benchmark humanoid": (("--quick",), "B"),
    "benchmark assembly": ((), "B"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_another_command_writes_is_refused(
    cryofocus: Callable[..., Any],
    pristine_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """One sentence and exit 2; nothing is there under the name, or beside it."""
    (tmp_path / "set").symlink_to(pristine_set)
    monkeypatch.chdir(tmp_path)
    words, output = COMMANDS[name]
    a_map = str(min(Path("set/maps").iterdir()))
    words = tuple(a_map if word == MAP else word for word in words)
    with names_claimed():
        claim(tmp_path / output)
        made = cryofocus(*name.split(), *words, "-o", output)
        assert made.exit_code == 2
        assert f"{output}: another cryofocus process" in made.output
        assert made.output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
