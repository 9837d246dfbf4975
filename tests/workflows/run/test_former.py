"""A run that is being replaced is there as it was until the new one can be resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.errors import Interrupted, RegionError
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import FORMER_NAME
from cryofocus.workflows.run.former import FormerRun

FILES = ("checkpoint.npz", "class001.mrc", "config.yaml", "job.json", "run.log")


class Killed(BaseException):
    """The process ends here."""


def make_run(path: Path) -> RunDirectory:
    """Write a run whose every file says that it is the former one's."""
    directory = RunDirectory.create(path)
    for name in FILES:
        (path / name).write_text("former")
    (path / "notes.txt").write_text("mine")
    return directory


def contents(path: Path) -> dict[str, str]:
    """Return what every file says, but for the list of files."""
    return {
        str(file.relative_to(path)): file.read_text()
        for file in path.rglob("*")
        if file.is_file() and file.name != "README.txt"
    }


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> bool:
    """Do something in a process that is killed before it moves one of the files."""
    rename, left = Path.rename, iter(range(step))

    def move(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", move)
        try:
            act()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("step", range(len(FILES)))
def test_a_kill_at_any_step_leaves_the_former_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """While files are moved aside, and while they are moved back."""
    run = make_run(tmp_path / "RUN")
    before, former = contents(run.path), FormerRun(run.path)
    assert killed_at(monkeypatch, step, former._move_aside)
    assert RunDirectory.open(run.path).job.is_file()
    # Of two that each make a run, the one that was moved first may be gone.
    assert contents(run.path).items() <= before.items()
    assert contents(run.path).keys() >= before.keys() - {"checkpoint.npz"}
    run.checkpoint.write_text("former")
    former._move_aside()
    run.log.write_text("of the new run")
    assert killed_at(monkeypatch, step, former.settle)
    RunDirectory.require_usable(run.path, overwrite=True)
    after = contents(run.path)
    assert after.items() <= before.items()
    assert before.keys() - after.keys() <= {"job.json"}
    assert not former.folder.exists()


def test_what_the_new_run_kept_replaces_the_former(tmp_path: Path) -> None:
    """Once there is a state to resume from, a failure leaves that, and no file of the former."""
    run = make_run(tmp_path / "RUN")

    def fail() -> None:
        with run.locked(), run.replacing(overwrite=True):
            run.checkpoint.write_text("new")
            raise RegionError("too late")

    with pytest.raises(RegionError):
        fail()
    assert contents(run.path) == {"checkpoint.npz": "new", "notes.txt": "mine"}


@pytest.mark.parametrize("kept", ["nothing", "a state"])
def test_ctrl_c_says_which_run_is_there(tmp_path: Path, kept: str) -> None:
    """The former one, before anything of the new one could be kept."""
    is_kept = kept == "a state"
    run = make_run(tmp_path / "RUN")
    before = contents(run.path)

    def stop() -> None:
        with run.locked(), run.replacing(overwrite=True):
            if is_kept:
                run.checkpoint.write_text("new")
            raise Interrupted("stopped; use --resume")

    says = "use --resume" if is_kept else "the former run is as it was. Start again"
    with pytest.raises(Interrupted, match=says):
        stop()
    assert is_kept or contents(run.path) == before


def test_reading_puts_a_former_run_back(tmp_path: Path) -> None:
    """A run whose replacement was killed at once is read as if nothing had happened."""
    run = make_run(tmp_path / "RUN")
    before = contents(run.path)
    FormerRun(run.path)._move_aside()
    with run.locked():
        assert not RunDirectory.open(run.path).job.exists()  # a process works on it
    RunDirectory.open(run.path)
    assert contents(run.path) == before
    assert not (run.path / FORMER_NAME).exists()
