"""Slice kernels on a CUDA device: a real one, or Numba's simulator (scripts/test starts both)."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from cryofocus.kernels.bfloat16 import decode, decode_complex, encode
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.reference import ReferenceKernels

from .test_slices import accumulate, make_case

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda_device")]

CUDA = CudaKernels()
EDGES = [8, 9]


def tiny(edge: int, **sizes: int) -> dict[str, Any]:
    """Return a case of few points."""
    return make_case(edge, **{"n_particles": 3, "n_components": 2, **sizes})


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare with the precision of float32 sums."""
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=3e-5 * abs(theirs).max())


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("other", [ReferenceKernels(), CpuKernels(2)], ids=["reference", "cpu"])
def test_every_operation_equals_other_devices(other: SliceKernels, edge: int) -> None:
    """All operations of the contract agree with NumPy and with the processor."""
    case = tiny(edge)
    statistics = (case["geometry"], case["data"], case["precision"])
    assert_close(
        CUDA.gather(case["grid"], case["geometry"]), other.gather(case["grid"], case["geometry"])
    )
    for name in ("class_moments", "latent_moments"):
        ours = getattr(CUDA, name)(case["grid"], *statistics)
        theirs = getattr(other, name)(case["grid"], *statistics)
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, b)
    ours, theirs = accumulate(CUDA, case), accumulate(other, case)
    assert_close(ours.data, theirs.data)
    assert_close(ours.precision, theirs.precision)


@pytest.mark.parametrize("edge", EDGES)
def test_pose_moments_equal_the_reference(edge: int) -> None:
    """Moments of a map and of its derivatives by the pose agree with NumPy."""
    case = tiny(edge, n_components=4)
    shifts = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    args = (case["grid"], case["geometry"], shifts, case["data"], case["precision"])
    ours, theirs = CUDA.pose_moments(*args), ReferenceKernels().pose_moments(*args)
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("edge", EDGES)
def test_accumulate_is_the_adjoint_of_gather(edge: int) -> None:
    """<accumulate(u), V> over the full grid equals <u, gather(V)> to single precision."""
    case = tiny(edge)
    sums, slices = accumulate(CUDA, case), CUDA.gather(case["grid"], case["geometry"])
    in_images = np.einsum("ip,ik,ipk->k", case["data"].conj(), case["weights"], slices).real
    hermitian = np.where(np.isin(np.arange(edge // 2 + 1), [0, edge / 2]), 1.0, 2.0)
    in_grid = np.einsum("zyxk,zyxk,x->k", sums.data.conj(), case["grid"], hermitian).real
    np.testing.assert_allclose(in_grid, in_images, rtol=2e-5, atol=2e-4 * abs(in_images).max())


def test_more_components_than_threads() -> None:
    """Components and products beyond what a block takes at once are all worked on."""
    case = tiny(8, n_particles=1, n_components=46)
    args = (case["grid"], case["geometry"], case["data"], case["precision"])
    ours, theirs = CUDA.latent_moments(*args), CpuKernels(1).latent_moments(*args)
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b)


def test_statistics_in_half_the_bytes() -> None:
    """Statistics stored as bfloat16 give what the same numbers give as float32."""
    case = tiny(8, n_particles=1)
    data, precision = encode(case["data"]), encode(case["precision"])
    whole = {**case, "data": decode_complex(data), "precision": decode(precision)}
    half = {**case, "data": data, "precision": precision}
    results = []
    for each in (whole, half):
        args = (each["grid"], each["geometry"], each["data"], each["precision"])
        shifts = np.ones((1, 2), np.float32)
        wide = np.repeat(each["grid"], 2, axis=3)
        sums = accumulate(CUDA, each)
        pose = CUDA.pose_moments(wide, args[1], shifts, *args[2:])
        results.append([*CUDA.latent_moments(*args), *pose, sums.data, sums.precision])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * abs(b).max())


def test_kernels_are_pickled_as_a_recipe() -> None:
    """A worker gets the settings and opens a device of its own."""
    used = CudaKernels(memory_gb=1.0)
    used.gather(make_case(8)["grid"], make_case(8)["geometry"])
    assert pickle.loads(pickle.dumps(used)) == used
    assert len(pickle.dumps(used)) < 200
