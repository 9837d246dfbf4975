"""Checkpoints: exact round trip, and refusal of anything that is not the same job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import FormatError, SettingError
from cryofocus.workflows.run.checkpoint import Checkpoint, fingerprint_run

SETTINGS = {"classes": 2, "seed": 7, "focus": (1.0, 2.0, 3.0, 60.0)}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Give a stack of three mebibytes."""
    path = tmp_path / "particles.mrcs"
    path.write_bytes(bytes(3 << 20))
    return path


def test_round_trip_is_exact(tmp_path: Path, stack: Path) -> None:
    """Arrays come back bit for bit with their types, scalars and text included."""
    checkpoint = Checkpoint(tmp_path / "state.npz", fingerprint_run(SETTINGS, [stack]))
    assert checkpoint.load() is None
    state = {
        "posteriors": np.random.default_rng(0).random((5, 2), dtype=np.float32),
        "cycle": np.array(12),
        "stage": np.array("mixture"),
    }
    checkpoint.save(state)
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded.keys() == state.keys()
    for name, array in state.items():
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


@pytest.mark.parametrize("position", [0, 3 << 20])
def test_changed_input_is_named(tmp_path: Path, stack: Path, position: int) -> None:
    """Resuming with an input changed at its beginning or grown at its end is refused."""
    Checkpoint(tmp_path / "state.npz", fingerprint_run(SETTINGS, [stack])).save({})
    with stack.open("r+b") as handle:
        handle.seek(position)
        handle.write(b"other")
    with pytest.raises(SettingError, match=r"input particles\.mrcs was 3145728 bytes"):
        Checkpoint(tmp_path / "state.npz", fingerprint_run(SETTINGS, [stack])).load()


def test_moved_input_is_the_same_input(tmp_path: Path, stack: Path) -> None:
    """A project moved to another folder resumes."""
    before = fingerprint_run(SETTINGS, [stack])
    (tmp_path / "moved").mkdir()
    moved = stack.rename(tmp_path / "moved" / stack.name)
    assert fingerprint_run(SETTINGS, [moved]) == before


def test_missing_input_is_named(tmp_path: Path) -> None:
    """An input that has gone is named instead of ending in a traceback."""
    with pytest.raises(FormatError, match=r"gone\.mrcs: cannot be read \(No such file"):
        fingerprint_run(SETTINGS, [tmp_path / "gone.mrcs"])


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 half a zip"])
def test_damaged_checkpoint_is_explained(tmp_path: Path, content: bytes) -> None:
    """A damaged checkpoint says so and names the way out."""
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"not a readable checkpoint .* --overwrite"):
        Checkpoint(tmp_path / "state.npz", {}).load()


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    """A checkpoint that carries Python objects, which could run code, is refused."""
    np.savez(tmp_path / "state.npz", allow_pickle=True, state=np.array([{"a": 1}]))
    with pytest.raises(FormatError, match="not a readable checkpoint"):
        Checkpoint(tmp_path / "state.npz", {}).load()
