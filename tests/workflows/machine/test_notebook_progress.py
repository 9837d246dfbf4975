"""In a notebook a bar is drawn and replaced; elsewhere nothing is."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cryofocus.workflows.machine.notebook_progress import (
    NotebookProgress,
    choose_notebook_progress,
)


def test_a_bar_is_replaced_as_it_goes_on() -> None:
    """One output a task, updated now and then and at the end; texts are escaped."""
    shown: list[str] = []

    def display(text: str) -> SimpleNamespace:
        shown.append(text)
        return SimpleNamespace(update=shown.append)

    ticks = iter([0.0, 0.1, 1.0, 1.1, 1.2])
    with NotebookProgress(display, lambda: next(ticks)).task("a <b>", 3) as advance:
        advance()
        advance(note="half & half")
        advance()
    assert [text.count("<progress") for text in shown] == [1] * len(shown)
    assert "0 of 3" in shown[0]
    assert "2 of 3" in shown[1]
    assert "half &amp; half" in shown[1]
    assert "3 of 3" in shown[-1]
    assert all("a &lt;b&gt;" in text for text in shown)


def test_only_a_notebook_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script, and a shell without a kernel, get nothing."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert choose_notebook_progress() is None
    shell: Any = SimpleNamespace(get_ipython=lambda: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert choose_notebook_progress() is None
    shell.get_ipython = lambda: SimpleNamespace(kernel=1)
    drawn: Any = SimpleNamespace(HTML=str, display=lambda text, display_id: None)
    monkeypatch.setitem(sys.modules, "IPython.display", drawn)
    assert isinstance(choose_notebook_progress(), NotebookProgress)
