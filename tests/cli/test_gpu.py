"""What the commands say of a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.kernels.gpu import find_gpu_fault
from cryofocus.workflows.self_check import check_kernels

from .conftest import Invoke


@pytest.mark.parametrize(
    "command",
    [
        "classify {table} --focus 1,1,1,20 --classes 2 -o {output}",
        "reconstruct {table} -o {output}.mrc",
    ],
)
def test_without_a_gpu_one_line_says_so(
    command: str,
    particle_set: Path,
    cryofocus: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, what is missing and what to do, and nothing is written."""
    missing = "no NVIDIA driver was found. Use a machine with an NVIDIA GPU and its driver"
    monkeypatch.setattr("cryofocus.kernels.gpu.find_gpu_fault", lambda: missing)
    table, output = particle_set / "particles.star", tmp_path / "output"
    words = command.format(table=table, output=output).split()
    result = cryofocus(*words, "--device", "cuda")
    assert result.exit_code == 2
    assert result.stderr.split() == (
        f"Error: device: cuda was requested, but {missing}, or compute with --device cpu.".split()
    )
    assert not list(tmp_path.glob("output*"))


@pytest.mark.gpu
@pytest.mark.skipif(find_gpu_fault() is not None, reason=str(find_gpu_fault()))
def test_doctor_compares_the_gpu_with_numpy() -> None:
    """Where there is a GPU, every operation on it is compared with the plain ones."""
    found = check_kernels(1, "cuda")
    assert found.passed, found.text
    assert "compiled and run on the GPU in" in found.text
