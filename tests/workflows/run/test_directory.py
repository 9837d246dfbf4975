"""Run directories: what is refused, what is replaced, and that foreign files survive."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cryofocus.errors import FormatError, OutputError, SettingError
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import RUN_FILES, is_run_file
from cryofocus.workflows.run.writing import write_text

HOLD_LOCK = """
import sys, time
from pathlib import Path
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_text
with RunDirectory(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_new_directory_explains_itself(tmp_path: Path) -> None:
    """A new directory is made with its parents and a README that lists every file."""
    directory = RunDirectory.create(tmp_path / "deep" / "RUN")
    text = directory.readme.read_text()
    assert all(file.name in text for file in RUN_FILES)
    assert directory.is_ours()


def test_existing_run_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    """An existing run is left alone and the message names both options."""
    directory = RunDirectory.create(tmp_path / "RUN")
    write_text(directory.command, "cryofocus classify")
    with pytest.raises(OutputError) as failure:
        RunDirectory.create(tmp_path / "RUN")
    assert str(failure.value) == (
        f"{tmp_path / 'RUN'}: exists and holds an unfinished run. Use --resume to finish it, "
        "--overwrite to replace it, or choose another place with -o."
    )
    assert directory.command.read_text() == "cryofocus classify"
    # While a process is at it, there is nothing to resume, and that is said first.
    with directory.locked(), pytest.raises(OutputError, match="is writing here"):
        RunDirectory.create(tmp_path / "RUN")


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_foreign_directory_is_never_touched(tmp_path: Path, options: dict[str, bool]) -> None:
    """A directory of somebody else is refused whatever the options, even with look-alike names."""
    (tmp_path / "particles.star").write_text("precious")
    (tmp_path / "README.txt").write_text("my project")
    with pytest.raises(OutputError, match="was not written by cryofocus, so nothing in it is"):
        RunDirectory.create(tmp_path, **options)
    assert (tmp_path / "particles.star").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 2


def test_overwrite_deletes_our_files_and_keeps_foreign_ones(tmp_path: Path) -> None:
    """Replacing a run removes its results and half-written files, not notes, folders or maps."""
    directory = RunDirectory.create(tmp_path / "RUN")
    ours = [directory.job, directory.class_map(12), directory.half_map(1, 2), directory.log]
    ours.append(directory.path / ".posteriors.npy.4194305.partial")
    foreign = [directory.path / name for name in ("notes.txt", "class001_sharp.mrc", "my.mrc")]
    for file in (*ours, *foreign):
        file.write_text("content")
    (directory.path / "consensus.mrc").mkdir()
    again = RunDirectory.create(directory.path, overwrite=True)
    with again.locked(), again.replacing(overwrite=True):
        again.checkpoint.write_text("of the new run")
    assert not any(file.exists() for file in ours)
    assert all(file.read_text() == "content" for file in foreign)
    assert (directory.path / "consensus.mrc").is_dir()


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_run_killed_as_it_began_is_no_obstacle(tmp_path: Path, options: dict[str, bool]) -> None:
    """Where nothing but a lock and a half-written README was left, a run can begin."""
    for name in (".cryofocus.lock", ".README.txt.4194305.partial"):
        (tmp_path / name).write_text("4194305 somewhere\n")
    directory = RunDirectory.create(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == [directory.readme.name]


def test_resume_keeps_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Resuming deletes half-written files only, and where nothing is it says so, and begins."""
    (tmp_path / "RUN1").mkdir()
    directory = RunDirectory.create(tmp_path / "RUN", resume=True)
    assert "nothing to resume" in caplog.text
    assert f"Did you mean {tmp_path / 'RUN1'}?" in caplog.text
    write_text(directory.log, "history")
    half_written = directory.path / ".checkpoint.npz.4194305.partial"
    half_written.write_bytes(b"half")
    RunDirectory.create(directory.path, resume=True)
    assert directory.log.read_text() == "history"
    assert not half_written.exists()


def test_overwrite_and_resume_exclude_each_other(tmp_path: Path) -> None:
    """Asking for both is a usage error that says which does what."""
    with pytest.raises(SettingError, match="--overwrite and --resume exclude each other"):
        RunDirectory.create(tmp_path / "RUN", overwrite=True, resume=True)
    assert not (tmp_path / "RUN").exists()


def test_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """A file where the directory should be is named and kept, whatever the options."""
    taken = tmp_path / "RUN"
    taken.write_text("a file")
    with pytest.raises(OutputError, match="exists and is a file"):
        RunDirectory.create(taken, overwrite=True)
    with pytest.raises(OutputError, match="Not a directory"):
        RunDirectory.create(taken / "below")
    assert taken.read_text() == "a file"


def test_open_refuses_what_is_not_a_run(tmp_path: Path) -> None:
    """Reading a missing or foreign directory gives a clear message each."""
    with pytest.raises(FormatError, match="no such directory"):
        RunDirectory.open(tmp_path / "RUN")
    with pytest.raises(FormatError, match=r"not a run of cryofocus.*cryofocus classify TABLE"):
        RunDirectory.open(tmp_path)
    (tmp_path / "report.html").touch()
    with pytest.raises(FormatError, match=r"has its page, .*report\.html\. Give"):
        RunDirectory.open(tmp_path)
    assert RunDirectory.open(RunDirectory.create(tmp_path / "RUN").path).is_ours()


def test_every_path_is_a_known_run_file(tmp_path: Path) -> None:
    """Each path of the class has a name that overwrite recognises, so nothing is left behind."""
    directory = RunDirectory(tmp_path)
    assert directory.posteriors == tmp_path / "posteriors.npy"
    assert all(is_run_file(file.name) for file in RUN_FILES if file.name != "particles.*")
    assert is_run_file(directory.particles.name)
    assert is_run_file(directory.lock_file.name)
    assert is_run_file(directory.class_map(7).name)
    assert is_run_file(directory.half_map(1234, 1).name)
    assert not is_run_file("class1.mrc")


def test_two_processes_cannot_write_at_once(tmp_path: Path) -> None:
    """A second process is refused, naming the first, and a killed process loses its lock."""
    directory = RunDirectory.create(tmp_path / "RUN")
    arguments = [sys.executable, "-c", HOLD_LOCK, str(directory.path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "held\n"
            with pytest.raises(OutputError) as failure, directory.locked():
                pass
            assert f"process (number {first.pid} on {socket.gethostname()})" in str(failure.value)
            with pytest.raises(OutputError, match="is writing here"):
                RunDirectory.create(directory.path, overwrite=True)
        finally:
            first.send_signal(signal.SIGKILL)
    assert directory.lock_file.exists()
    with directory.locked():
        assert directory.lock_file.read_text().startswith(f"{os.getpid()} ")
    assert not directory.lock_file.exists()


def test_lock_is_released_when_the_block_fails(tmp_path: Path) -> None:
    """An error inside the block frees the directory for the next try."""
    directory = RunDirectory.create(tmp_path / "RUN")
    with pytest.raises(KeyboardInterrupt), directory.locked():
        raise KeyboardInterrupt
    with directory.locked():
        pass


def test_lock_decides_by_process_number_where_the_file_system_has_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without kernel locks the recorded process decides: living or elsewhere refuses, dead not."""

    def no_locks(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("cryofocus.workflows.run.lock.fcntl.flock", no_locks)
    directory = RunDirectory.create(tmp_path / "RUN")
    gone = multiprocessing.get_context("spawn").Process()
    gone.start()
    gone.join()
    here = socket.gethostname()
    for holder in (f"{os.getppid()} {here}", "1 another.host"):
        directory.lock_file.write_text(holder)
        with pytest.raises(OutputError, match="is writing here"), directory.locked():
            pass
    directory.lock_file.write_text(f"{gone.pid} {here}")
    with directory.locked():
        assert directory.lock_file.read_text() == f"{os.getpid()} {here}\n"
