"""`cryofocus doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Invoke


def test_doctor(cryofocus: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, machine, kernels and a classification whose result is known, in a few lines.

    Also where the user's own images have the name of those it makes.
    """
    (tmp_path / "particles.mrcs").write_bytes(b"the user's own")
    monkeypatch.chdir(tmp_path)
    result = cryofocus("doctor")
    assert result.exit_code == 0, result.stdout
    names = [line.split()[0] for line in result.stdout.splitlines()]
    machine = ["cryofocus", "packages", "processor", "memory", "disk", "accelerator"]
    assert names == [*machine, "kernels", "self-check"]
    assert "kappa 0.92, expected 0.93 within 0.03" in result.stdout


def test_doctor_finds_a_fault(cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that fails is marked, the others are still made, and the exit code says so."""
    monkeypatch.setattr("cryofocus.workflows.self_check.kernel_deviation", lambda *_: 0.5)
    monkeypatch.setattr("cryofocus.workflows.self_check._classify_tiny_set", lambda _: 0.4)
    result = cryofocus("doctor")
    assert result.exit_code == 1
    *_, kernels, classification = result.stdout.splitlines()
    assert kernels.startswith("kernels      FAILED: compiled and run on ")
    assert classification.startswith("self-check   FAILED: 240 simulated particles classified in")
    assert "Install the versions of constraints.txt" in result.stderr
