"""Checkpoints: exact round trip, and refusal of anything that is not the same job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.file_state import read_states
from cryofocus.errors import FormatError, SettingError
from cryofocus.workflows.run import checkpoint as module
from cryofocus.workflows.run.checkpoint import Checkpoint, Fingerprint, fingerprint_run

SETTINGS = {"classes": 2, "seed": 7, "focus": (1.0, 2.0, 3.0, 60.0)}
STATE = {
    "posteriors": np.random.default_rng(0).random((5, 2), dtype=np.float32),
    "cycle": np.array(12),
    "stage": np.array("mixture"),
}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Give a stack of three mebibytes."""
    path = tmp_path / "particles.mrcs"
    path.write_bytes(bytes(3 << 20))
    return path


def prove(stack: Path) -> Fingerprint:
    """Return the fingerprint of a run of the settings on a stack."""
    return fingerprint_run(SETTINGS, [], read_states([stack]))


def test_round_trip_is_exact(tmp_path: Path, stack: Path) -> None:
    """Arrays come back bit for bit with their types, scalars and text included."""
    checkpoint = Checkpoint(tmp_path / "state.npz", fingerprint_run(SETTINGS, [stack]))
    assert checkpoint.load() is None
    checkpoint.save(STATE)
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded.keys() == STATE.keys()
    for name, array in STATE.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    checkpoint.remove()
    assert checkpoint.load() is None


def test_changed_setting_is_named(tmp_path: Path, stack: Path) -> None:
    """Resuming with another setting is refused, with the old and the new value."""
    Checkpoint(tmp_path / "state.npz", fingerprint_run(SETTINGS, [stack])).save({})
    changed = fingerprint_run({"classes": 3, "focus": (1.0, 2.0, 3.0, 60.0)}, [stack])
    with pytest.raises(SettingError) as failure:
        Checkpoint(tmp_path / "state.npz", changed).load()
    assert "classes was 2, now 3; seed was 7, now not given" in str(failure.value)
    assert "--overwrite" in str(failure.value)


@pytest.mark.parametrize("position", [0, 1_500_000, 3 << 20])
@pytest.mark.parametrize("is_stack", [True, False])
def test_changed_input_is_named(
    tmp_path: Path, stack: Path, position: int, *, is_stack: bool
) -> None:
    """Resuming with an input changed anywhere or grown at its end is refused."""

    def proof() -> Fingerprint:
        return prove(stack) if is_stack else fingerprint_run(SETTINGS, [stack])

    Checkpoint(tmp_path / "state.npz", proof()).save({})
    with stack.open("r+b") as handle:
        handle.seek(position)
        handle.write(b"other")
    with pytest.raises(SettingError, match=r"input particles\.mrcs was 3145728 bytes"):
        Checkpoint(tmp_path / "state.npz", proof()).load()


def test_files_of_one_name_are_told_apart(tmp_path: Path, stack: Path) -> None:
    """Two stacks of one name in two folders both count."""
    other = tmp_path / "other" / stack.name
    other.parent.mkdir()
    other.write_bytes(b"first")
    before = fingerprint_run({}, [stack, other])
    other.write_bytes(b"later")
    after = fingerprint_run({}, [stack, other])
    assert [name for name in before if before[name] != after[name]] == ["input particles.mrcs (2)"]


def test_moved_input_is_the_same_input(tmp_path: Path, stack: Path) -> None:
    """A project moved to another folder resumes."""
    before = prove(stack)
    (tmp_path / "moved").mkdir()
    assert prove(stack.rename(tmp_path / "moved" / stack.name)) == before


def test_missing_input_is_named(tmp_path: Path) -> None:
    """An input that has gone is named instead of ending in a traceback."""
    with pytest.raises(FormatError, match=r"gone\.mrcs: cannot be read \(No such file"):
        fingerprint_run(SETTINGS, [tmp_path / "gone.mrcs"])


def test_other_versions_are_refused(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version or another format of checkpoints wrote is refused, naming both."""
    path = tmp_path / "state.npz"
    for name, value in (("__version__", "9.9"), ("FORMAT", 99)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            Checkpoint(path, prove(stack)).save(STATE)
        with pytest.raises(SettingError, match=rf"cryofocus was version .*{value}.*, now version"):
            Checkpoint(path, prove(stack)).load()


def damage(path: Path, kind: str) -> None:
    """Harm a checkpoint, or put something else in its place."""
    content = path.read_bytes()
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if kind == "an array missing":
        del arrays["posteriors"]
    elif kind == "an array reshaped":
        arrays["posteriors"] = arrays["posteriors"].reshape(2, 5)
    elif kind == "a value changed":
        arrays["posteriors"][0, 0] += 1e-3
    elif kind == "objects that run code":
        arrays["posteriors"] = np.array([{"a": 1}])
    elif kind == "cut short":
        path.write_bytes(content[:-40])
        return
    elif kind == "nothing":
        path.write_bytes(b"")
        return
    np.savez(path, allow_pickle=True, **arrays)


@pytest.mark.parametrize(
    "kind",
    [
        *("an array missing", "an array reshaped", "a value changed", "objects that run code"),
        *("cut short", "nothing", "written again"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    """Whatever is not what was saved is refused, and the way out is named."""
    checkpoint = Checkpoint(tmp_path / "state.npz", {})
    checkpoint.save(STATE)
    damage(checkpoint.path, kind)
    with pytest.raises(FormatError, match=r"not a readable checkpoint: .* --overwrite"):
        checkpoint.load()


def test_any_byte_counts(tmp_path: Path) -> None:
    """Any one byte changed is enough to refuse, whatever an unpacker would make of the file."""
    checkpoint = Checkpoint(tmp_path / "state.npz", {"seed": "1"})
    checkpoint.save({"cycle": np.array(3)})
    sound = checkpoint.path.read_bytes()
    for position in {*range(0, len(sound), 11), *range(len(sound) - 40, len(sound))}:
        harmed = bytearray(sound)
        harmed[position] ^= 1 << position % 8
        checkpoint.path.write_bytes(harmed)
        with pytest.raises(FormatError, match="not a readable checkpoint"):
            checkpoint.load()


def test_folders_are_no_checkpoints(tmp_path: Path) -> None:
    """A folder of that name is refused, not taken for a run that has not begun."""
    with pytest.raises(FormatError, match="cannot be read"):
        Checkpoint(tmp_path, {}).load()
