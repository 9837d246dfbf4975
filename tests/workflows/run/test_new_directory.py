"""A directory of results is replaced such that no moment of a kill loses both old and new."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cryofocus.data.atomic import leftovers
from cryofocus.errors import OutputError
from cryofocus.workflows.run import new_directory as module
from cryofocus.workflows.run.new_directory import DirectoryKind, new_directory

KIND = DirectoryKind("directory of letters", "letters.txt")
# Replaces a directory in a fork that is killed at one step after the other.
KILLED = """
import os, sys
from pathlib import Path
from cryofocus.workflows.run import new_directory as module
if sys.argv[2] == "in two steps":
    module._exchange = lambda first, second: False
else:
    exchange = module._exchange
    module._exchange = lambda *both: (step("exchange"), exchange(*both), step("exchange"))[1]
left = [0]
def step(event, *_):
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "exchange"):
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
def replace(output, n):
    left[0] = n
    sys.addaudithook(step)
    kind = module.DirectoryKind("directory of letters", "letters.txt")
    with module.new_directory(output, kind, overwrite=True) as folder:
        for name in ("letters.txt", "more.txt"):
            (folder / name).write_text("new")
    os._exit(0)
n = 1
while True:
    output = Path(sys.argv[1]) / str(n) / "letters"
    output.mkdir(parents=True)
    for name in ("letters.txt", "more.txt"):
        (output / name).write_text("old")
    child = os.fork()
    if child == 0:
        replace(output, n)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    n += 1
"""


def contents(folder: Path) -> list[str]:
    """Return what the files of a directory say."""
    return [path.read_text() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("how", ["in one step", "in two steps"])
def test_no_kill_loses_both(tmp_path: Path, how: str) -> None:
    """Killed at any step, old or new is there whole; the next run sweeps what else is left."""
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, how], check=True)
    places = sorted(tmp_path.glob("*/letters")) + sorted(tmp_path.glob("*/.letters*"))
    folders = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(folders) > 8
    assert any(path.name.startswith(".") for path in places)
    seen = []
    for folder in folders:
        output = folder / "letters"
        if how == "in one step":
            assert output.is_dir()
        KIND.require_usable(output, overwrite=True)
        assert contents(output) in (["old", "old"], ["new", "new"])
        seen.append(contents(output)[0])
        with new_directory(output, KIND, overwrite=True) as partial:
            (partial / "letters.txt").write_text("newer")
        assert contents(output) == ["newer"]
        assert [path.name for path in folder.iterdir()] == ["letters"]
    assert seen == sorted(seen, reverse=True)  # old up to a moment, new from there on
    assert set(seen) == {"old", "new"}


def test_failure_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the block, or while names are changed, leaves the former directory."""
    output = tmp_path / "letters"
    with new_directory(output, KIND, overwrite=False) as partial:
        (partial / "letters.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), new_directory(output, KIND, overwrite=True):
        raise KeyboardInterrupt
    assert contents(output) == ["old"]
    monkeypatch.setattr(module, "_exchange", lambda first, second: False)
    rename = Path.rename

    def once(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", once)

    def replace() -> None:
        with new_directory(output, KIND, overwrite=True) as partial:
            (partial / "letters.txt").write_text("new")

    with pytest.raises(OutputError, match="Input/output error"):
        replace()
    assert contents(output) == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_links_stay_links(tmp_path: Path) -> None:
    """Where the name is a link to a directory on another disk, the directory is replaced."""
    output, place = tmp_path / "letters", tmp_path / "disk" / "letters"
    place.mkdir(parents=True)
    (place / "letters.txt").write_text("old")
    output.symlink_to(place)
    with new_directory(output, KIND, overwrite=True) as partial:
        (partial / "letters.txt").write_text("new")
    assert output.is_symlink()
    assert contents(place) == ["new"]


def test_what_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Without --overwrite a directory that somebody made in the meantime stays."""
    output = tmp_path / "letters"

    def appear() -> None:
        with new_directory(output, KIND, overwrite=False) as partial:
            (partial / "letters.txt").write_text("ours")
            output.mkdir()
            (output / "precious.txt").write_text("theirs")

    with pytest.raises(OutputError, match="letters: appeared while"):
        appear()
    assert contents(output) == ["theirs"]
    assert not list(leftovers(tmp_path))
