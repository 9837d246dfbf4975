"""Loops are compiled whether or not the result can be kept."""

from __future__ import annotations

from typing import Any

import pytest

from cryofocus.kernels._compiler import njit


def double(x: int) -> int:
    """Return twice a number."""
    return 2 * x


def test_what_no_folder_can_keep_is_compiled_all_the_same() -> None:
    """A function that lies in no folder has none beside it to keep what was compiled."""
    names: dict[str, Any] = {}
    exec(compile("def triple(x):\n    return 3 * x\n", "<nowhere>", "exec"), names)
    assert njit(cache=True, fastmath=False)(names["triple"])(4) == 12


def test_other_loops_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """What was compiled lies in the folder that Numba was told."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert njit(cache=True, fastmath=False)(double)(4) == 8
    assert list(tmp_path.rglob("*.nbi"))
