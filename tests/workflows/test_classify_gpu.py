"""`classify --device cuda` end to end: the result of the processor, from the GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.kernels import _cuda_loops
from cryofocus.kernels.gpu import IS_SIMULATED, describe_gpu, find_gpu_fault
from cryofocus.report.run.results import read_results
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest


@pytest.mark.gpu
@pytest.mark.skipif(find_gpu_fault() is not None, reason=str(find_gpu_fault()))
def test_classification_on_a_gpu(
    simulate: Callable[..., SimulatedSet],
    ask: MakeRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole classification gives the posteriors it gives on the processor, and names the GPU."""
    monkeypatch.setattr("cryofocus.inference.deviations.em.PRIOR_CYCLES", 2)
    if IS_SIMULATED:
        # Simulated threads wait for each other most of the time; one alone is fastest.
        monkeypatch.setattr(_cuda_loops, "THREADS", 1)
    tiny = simulate(particles=6, box=16, pixel_size_angstrom=26.25, snr=2.0)
    settings = {"n_runs": 1, "max_cycles": 1, "start": "random", "max_resolution_angstrom": 150.0}
    runs: list[RunDirectory] = []
    for device in ("cpu", "cuda"):
        request = ask(tiny, device=device, settings=settings)
        runs.append(classify(request, tmp_path / device))
    on_cpu, on_gpu = (read_results(run) for run in runs)
    np.testing.assert_allclose(on_gpu.posteriors, on_cpu.posteriors, atol=1e-3)
    assert on_gpu.job.machine.gpu == describe_gpu()
    assert on_cpu.job.machine.gpu is None
