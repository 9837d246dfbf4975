"""Slice kernels: adjoint pairs, and every device equal to the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.errors import SettingError
from cryofocus.kernels import contract
from cryofocus.kernels.bfloat16 import encode
from cryofocus.kernels.contract import SliceGeometry, SliceKernels, SliceSums
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.kernels.select import select_kernels

KERNELS = [ReferenceKernels(), CpuKernels(1), CpuKernels(3)]
EDGES = [12, 14]


def make_case(edge: int, n_particles: int = 5, n_components: int = 3) -> dict[str, Any]:
    """Random Hermitian grids, slice geometry and data of one test case."""
    rng = np.random.default_rng(edge)
    ky, kx = np.meshgrid(np.fft.fftfreq(edge) * edge, np.arange(edge // 2 + 1), indexing="ij")
    inside = (np.hypot(kx, ky) <= edge // 2 - 1) & ((kx > 0) | (ky >= 0))
    points = np.stack([kx[inside], ky[inside]], axis=1).astype(np.float32)
    weight = np.where((points[:, 0] == 0) & (points[:, 1] == 0), 1, 2).astype(np.float32)
    volumes = rng.normal(size=(edge, edge, edge, n_components))
    grid = np.fft.rfftn(volumes, axes=(0, 1, 2))
    rotations = Rotation.random(n_particles, random_state=edge).as_matrix()
    shape = (n_particles, len(points))
    return {
        "grid": grid.astype(np.complex64),
        "geometry": SliceGeometry(edge, points, rotations[:, :2].astype(np.float32)),
        "data": (weight * (rng.normal(size=shape) + 1j * rng.normal(size=shape))).astype(
            np.complex64
        ),
        "precision": (weight * rng.random(shape)).astype(np.float32),
        "weights": rng.random((n_particles, n_components)).astype(np.float32),
    }


def accumulate(
    kernels: SliceKernels, case: dict[str, Any], particles: slice = slice(None)
) -> SliceSums:
    """Insert some of a case's particles."""
    n_columns = case["weights"].shape[1]
    accumulator = kernels.accumulator(case["geometry"].edge, n_columns, n_columns)
    arrays = [case[name][particles] for name in ("data", "precision", "weights", "weights")]
    accumulator.add(case["geometry"].take(particles), *arrays)
    return accumulator.total()


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: repr(k)[:14])
def test_accumulate_is_the_adjoint_of_gather(kernels: SliceKernels, edge: int) -> None:
    """<accumulate(u), V> over the full grid equals <u, gather(V)> to single precision."""
    case = make_case(edge)
    sums = accumulate(kernels, case)
    slices = kernels.gather(case["grid"], case["geometry"])
    in_images = np.einsum("ip,ik,ipk->k", case["data"].conj(), case["weights"], slices).real
    hermitian = np.full(edge // 2 + 1, 2.0)
    hermitian[[0, -1]] = 1.0
    in_grid = np.einsum("zyxk,zyxk,x->k", sums.data.conj(), case["grid"], hermitian).real
    np.testing.assert_allclose(in_grid, in_images, rtol=2e-5, atol=2e-4 * abs(in_images).max())


@pytest.mark.parametrize("stored", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("edge", "n_components"), [(12, 1), (14, 2), (15, 3), (32, 5), (12, 9)])
@pytest.mark.parametrize("kernels", KERNELS[1:], ids=["one thread", "three threads"])
def test_cpu_equals_reference(
    kernels: SliceKernels, edge: int, n_components: int, *, stored: bool
) -> None:
    """Every operation gives what the NumPy reference gives, and leaves its inputs alone."""
    case = make_case(edge, n_components=n_components)
    if stored:
        case["data"], case["precision"] = encode(case["data"]), encode(case["precision"])
    before = {name: np.copy(a) for name, a in case.items() if isinstance(a, np.ndarray)}
    reference = ReferenceKernels()
    geometry, data, precision = case["geometry"], case["data"], case["precision"]
    close = {"rtol": 3e-5, "atol": 3e-4}
    np.testing.assert_allclose(
        kernels.gather(case["grid"], geometry), reference.gather(case["grid"], geometry), **close
    )
    for name in ("class_moments", "latent_moments"):
        ours = getattr(kernels, name)(case["grid"], geometry, data, precision)
        theirs = getattr(reference, name)(case["grid"], geometry, data, precision)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=3e-5, atol=3e-5 * abs(b).max())
    ours, theirs = accumulate(kernels, case), accumulate(reference, case)
    np.testing.assert_allclose(ours.data, theirs.data, **close)
    np.testing.assert_allclose(ours.precision, theirs.precision, **close)
    for name, array in before.items():
        np.testing.assert_array_equal(case[name], array)


def test_slices_of_a_point_are_plane_waves() -> None:
    """The slice of a single voxel is its plane wave, damped by the trilinear kernel only."""
    edge, offset = 24, np.array([1, -2, 1])
    volume = np.zeros((edge,) * 3)
    volume[tuple(offset[::-1])] = 1.0
    grid = np.fft.rfftn(volume)[..., None].astype(np.complex64)
    ky, kx = np.meshgrid(np.arange(-6, 7), np.arange(7), indexing="ij")
    points = np.stack([kx.ravel(), ky.ravel()], axis=1).astype(np.float32)
    rotation = Rotation.random(4, random_state=1).as_matrix()
    geometry = SliceGeometry(edge, points, rotation[:, :2].astype(np.float32))
    slices = CpuKernels(1).gather(grid, geometry)[..., 0]
    place = rotation[:, :2] @ offset
    wave = np.exp(-2j * np.pi * (place @ points.T) / edge)
    damping = np.prod(np.sinc(offset / edge) ** 2)
    assert abs(slices - damping * wave).max() < 0.05


def test_sums_add_up_over_chunks() -> None:
    """Sums of two parts of the particles add up to the sum over all."""
    case = make_case(12, n_particles=7)
    kernels = CpuKernels(2)
    whole = accumulate(kernels, case)
    first, second = (
        accumulate(kernels, case, particles) for particles in (slice(0, 3), slice(3, 7))
    )
    np.testing.assert_allclose((first + second).data, whole.data, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose((whole - second).precision, first.precision, atol=1e-4)


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: repr(k)[:14])
def test_lanes_add_up_to_their_sum(kernels: SliceKernels) -> None:
    """What is added to parts of a sum is in the sum, whichever part it was added to."""
    case = make_case(12, n_particles=7)
    whole = accumulate(ReferenceKernels(), case)
    accumulator = kernels.accumulator(12, 3, 3)
    lanes = accumulator.lanes()
    assert len(lanes) == getattr(kernels, "threads", 1)
    for particle in range(7):
        one = slice(particle, particle + 1)
        arrays = [case[name][one] for name in ("data", "precision", "weights", "weights")]
        lanes[particle % len(lanes)].add(case["geometry"].take(one), *arrays)
    close = {"rtol": 3e-5, "atol": 3e-4}
    for sums in (accumulator.total(), accumulator.take()):
        np.testing.assert_allclose(sums.data, whole.data, **close)
        np.testing.assert_allclose(sums.precision, whole.precision, **close)


@pytest.mark.parametrize("stored", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: repr(k)[:14])
def test_no_particles_give_nothing(kernels: SliceKernels, *, stored: bool) -> None:
    """A range that holds none of a class or half set has no moments, and its sums are zero."""
    case, none = make_case(12), slice(0)
    if stored:
        case["data"], case["precision"] = encode(case["data"]), encode(case["precision"])
    geometry = case["geometry"].take(none)
    n_points, n_components = len(geometry.points), case["grid"].shape[3]
    assert kernels.gather(case["grid"], geometry).shape == (0, n_points, n_components)
    for name in ("class_moments", "latent_moments"):
        linear, quadratic = getattr(kernels, name)(
            case["grid"], geometry, case["data"][none], case["precision"][none]
        )
        assert linear.shape == (0, n_components)
        assert len(quadratic) == 0
    sums = accumulate(kernels, case, none)
    assert not sums.data.any()
    assert not sums.precision.any()


def test_points_outside_the_grid_are_refused() -> None:
    """A slice that would leave the grid is refused when its geometry is made."""
    with pytest.raises(ValueError, match="slice points reach"):
        SliceGeometry(8, np.array([[4, 0]], np.float32), np.eye(3, dtype=np.float32)[None, :2])


@pytest.mark.parametrize(("device", "threads"), [("gpu", 1), ("cpu", 0)])
def test_unknown_devices_are_refused(device: str, threads: int) -> None:
    """Device and thread count are checked with a message that names them."""
    with pytest.raises(SettingError, match="expected"):
        select_kernels(device, threads)


def test_grids_keep_within_the_memory() -> None:
    """Fewer private grids and fewer columns where memory is small, and the same sums."""
    case = make_case(12)
    whole, small = CpuKernels(4), CpuKernels(4, memory_gb=1e-4)
    assert len(whole.accumulator(12, 1, 1).sums) == 4
    assert len(small.accumulator(12, 1, 1).sums) == 2
    assert len(CpuKernels(4, memory_gb=1e-9).accumulator(12, 1, 1).sums) == 1
    assert [kernels.columns_at_once(12) for kernels in (whole, small)] == [4, 1]
    assert [kernels.halves_at_once(12) for kernels in (whole, small)] == [True, True]
    assert not CpuKernels(4, memory_gb=1e-9).halves_at_once(12)
    sums = small.accumulator(12, 1, 1).sums
    assert small.sums_bytes(12, 1) == (sums[0].nbytes, sums.nbytes)
    ours, theirs = accumulate(small, case), accumulate(whole, case)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("edge", [12, 15, 26])
def test_threads_that_share_a_grid_give_the_sums_of_one(edge: int) -> None:
    """Each thread fills planes of its own: in any number they add up the same, bit for bit."""
    case = make_case(edge)
    one = accumulate(CpuKernels(1), case)
    for threads in (2, 3):
        accumulator = CpuKernels(threads, memory_gb=1e-9).accumulator(edge, 3, 3)
        assert accumulator.n_sharing == threads
        rest = [case[name] for name in ("data", "precision", "weights", "weights")]
        accumulator.add(case["geometry"], *rest)
        shared = accumulator.take()
        np.testing.assert_array_equal(shared.data, one.data)
        np.testing.assert_array_equal(shared.precision, one.precision)
        assert np.shares_memory(shared.data, accumulator.sums)


def test_a_total_may_be_asked_for_twice() -> None:
    """Asking for the sum changes nothing: particles may be added afterwards."""
    case = make_case(14, n_particles=6)
    accumulator = CpuKernels(3).accumulator(14, 3, 3)
    rest = [case[name] for name in ("data", "precision", "weights", "weights")]
    accumulator.add(case["geometry"], *rest)
    once, twice = accumulator.total(), accumulator.total()
    np.testing.assert_array_equal(once.data, twice.data)
    accumulator.add(case["geometry"], *rest)
    np.testing.assert_allclose(accumulator.total().precision, 2 * once.precision, rtol=1e-5)


def test_views_are_ordered_within_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every particle comes once, none far from its place, neighbours with similar views."""
    monkeypatch.setattr(contract, "ORDERED_PARTICLES", 2000)
    matrices = Rotation.random(5000, random_state=2).as_matrix()[:, :2].astype(np.float32)
    order = SliceGeometry(12, np.zeros((1, 2), np.float32), matrices).order
    np.testing.assert_array_equal(np.sort(order), np.arange(5000))
    assert (order // 2000 == np.arange(5000) // 2000).all()
    axis = np.cross(matrices[:, 0], matrices[:, 1])

    def similarity(of: np.ndarray) -> float:
        return float(abs((axis[of[1:]] * axis[of[:-1]]).sum(axis=1)).mean())

    assert similarity(order) > similarity(np.arange(5000)) + 0.3
