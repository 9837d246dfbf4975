"""A run that is being replaced is there until the new one is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cryofocus.errors import FormatError, Interrupted, OutputError, RegionError
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


@pytest.mark.parametrize("by_search", [False, True])
def test_what_a_search_made_goes_with_its_run(tmp_path: Path, *, by_search: bool) -> None:
    """A new run with a place of its own takes it away, or leaves it where it is refused.

    One that has searched itself has put its own there already.
    """
    run = make_run(tmp_path / "RUN")
    for name in ("variance/variance.json", "regions/1/job.json", "motion/variance.json"):
        (run.path / name).parent.mkdir(parents=True)
        (run.path / name).write_text("former")
    before = contents(run.path)
    with pytest.raises(RegionError), run.replacing(overwrite=True, by_search=by_search):
        raise RegionError("refused")
    assert contents(run.path) == before
    with run.replacing(overwrite=True, by_search=by_search):
        assert run.variance.is_dir() == by_search
        run.job.write_text("new")
    assert run.variance.is_dir() == run.regions.is_dir() == by_search
    assert (run.path / "motion").is_dir()


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
    assert before.keys() - after.keys() <= {"checkpoint.npz"}
    assert not former.folder.exists()


def begin_another(run: RunDirectory) -> None:
    """Replace a run by one that fails once it can be resumed."""
    with run.locked(), run.replacing(overwrite=True):
        run.checkpoint.write_text("new")
        raise RegionError("too late")


def finish(run: RunDirectory) -> None:
    """Resume a run to its end."""
    with run.locked(), run.replacing(overwrite=False):
        run.job.write_text("new")
        run.checkpoint.unlink()


def test_a_run_that_can_be_resumed_stands_beside_the_former(tmp_path: Path) -> None:
    """That is deleted when the new one is finished, and told of until then."""
    run = make_run(tmp_path / "RUN")
    before = contents(run.path)
    for _ in range(2):  # the second one replaces an unfinished run, not the one it was to replace
        with pytest.raises(RegionError):
            begin_another(run)
        kept = {name.removeprefix(f"{FORMER_NAME}/") for name in contents(run.path)}
        assert kept == {*before}
        assert run.checkpoint.read_text() == "new"
        with pytest.raises(FormatError, match=r"kept in .*former until then; to have that back"):
            RunDirectory.open(run.path).read_job()
        with pytest.raises(OutputError, match=r"an unfinished run.*to have that back instead"):
            RunDirectory.require_usable(run.path)
    finish(run)
    assert contents(run.path) == {"job.json": "new", "notes.txt": "mine"}


def test_a_former_run_comes_back_without_the_new_ones_checkpoint(tmp_path: Path) -> None:
    """As the message says that tells of it."""
    run = make_run(tmp_path / "RUN")
    before = contents(run.path)
    with pytest.raises(RegionError):
        begin_another(run)
    run.checkpoint.unlink()
    RunDirectory.open(run.path)
    assert contents(run.path) == before


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
