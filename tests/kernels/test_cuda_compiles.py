"""Loops for a GPU are compiled to machine code where the compiler is installed, GPU or not."""

from __future__ import annotations

import importlib.util
import re
from types import SimpleNamespace

import pytest
from numba import cuda, float32, float64, int32, int64, types, uint16

from cryofocus.kernels import _cuda_loops, _cuda_pose_loops
from cryofocus.kernels.gpu import IS_SIMULATED

pytestmark = [
    pytest.mark.skipif(IS_SIMULATED, reason="the simulator compiles nothing"),
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="the compiler for GPUs is not installed; pip install '.[cuda]'",
    ),
]
HOPPER = (9, 0)
FLOATS, PAIRS, MATRICES = (types.Array(float32, n, "C") for n in (1, 2, 3))
ORDER, SUMS = types.Array(int32, 1, "C"), types.Array(float64, 2, "C")
SLICES, PRODUCTS = types.Array(float32, 4, "C"), types.Array(int32, 2, "C")
POSES = (ORDER, MATRICES)


@pytest.mark.parametrize("stored", [float32, uint16], ids=str)
@pytest.mark.parametrize("name", ["gather", "moments", "pose", "accumulate", "fold"])
def test_loops_compile(name: str, stored: types.Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loop becomes code for a Hopper GPU, in single precision where the points are."""
    device = SimpleNamespace(compute_capability=HOPPER)
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)
    statistics = (types.Array(stored, 3, "C"), types.Array(stored, 2, "C"))
    grid = (FLOATS, int64, PAIRS)
    loop, signature = {
        "gather": (_cuda_loops.gather_slices, (*grid, *POSES, SLICES)),
        "moments": (
            _cuda_loops.quadratic_moments,
            (*grid, PRODUCTS, int64, *POSES, *statistics, SUMS),
        ),
        "pose": (_cuda_pose_loops.pose_moments, (*grid, *POSES, PAIRS, *statistics, SUMS)),
        "accumulate": (
            _cuda_loops.accumulate,
            (int64, PAIRS, FLOATS, *POSES, PAIRS, PAIRS, *statistics),
        ),
        "fold": (_cuda_loops.fold, (FLOATS, int64, MATRICES, PAIRS)),
    }[name]
    code, _ = cuda.compile_ptx(loop.py_func, signature, cc=HOPPER)
    # Only the last sums are of doubles; sine and cosine reduce large angles by one each.
    assert len(re.findall(r"\b(?:mul|fma|div)\.\S*f64", code)) <= (2 if name == "pose" else 0)
    assert len(re.findall(r"\batom\.global\.add\.f32", code)) == (8 if name == "accumulate" else 0)
