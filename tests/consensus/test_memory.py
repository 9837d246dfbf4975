"""What maps take in memory: foreseen, and refused where it cannot be had."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.memory import MapMemory, fits, require_memory
from cryofocus.consensus.reach import Reach
from cryofocus.errors import SettingError
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from samples import make_particles, wrap_images

BOX = 400


def images_of(box: int = BOX) -> ParticleImages:
    """Return images of which only the size matters."""
    particles = make_particles(2, 16, np.random.default_rng(1))
    images = wrap_images(particles, np.zeros((2, 16, 16), np.float32))
    return replace(images, particles=replace(particles, box=box))


def test_maps_in_a_band_take_less() -> None:
    """Grids follow the band, while the mask and a map that is written follow the files."""
    whole, narrow = (
        MapMemory.of(images, CpuKernels(1), 2) for images in (images_of(), images_of().cropped(40))
    )
    assert narrow.grids < whole.grids / 50
    assert narrow.estimate < whole.estimate / 50
    assert (narrow.mask, narrow.writing) == (whole.mask, whole.writing)
    assert narrow.peak(2) < whole.peak(2) / 5


def test_each_class_and_each_thread_counts() -> None:
    """More maps, kept statistics and threads with grids of their own raise the peak."""
    one, two = (MapMemory.of(images_of(), CpuKernels(n), 1) for n in (1, 2))
    assert two.grids > one.grids
    assert one.peak(4) - one.peak(3) == pytest.approx(one.estimate)
    assert one.peak(1, 50.0) > 50


def test_less_memory_is_used_where_less_is_allowed() -> None:
    """With half the memory, half sets are made in turns, and the grids take less."""
    ample, scarce = (
        MapMemory.of(images_of(), CpuKernels(1, memory_gb), 1) for memory_gb in (100, 10)
    )
    assert scarce.grids < 0.5 * ample.grids


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    """The message names memory and resolution, and both are enough."""
    images = images_of()
    assert fits(images, ReferenceKernels())
    require_memory(images, CpuKernels(1, 20.0))
    with pytest.raises(SettingError, match="even one half set at a time") as e:
        require_memory(images, CpuKernels(1, 4.0))
    (enough,) = re.findall(r"--memory (\d+)GB", str(e.value))
    (resolution,) = re.findall(r"maps to ([\d.]+) Å with --map-resolution", str(e.value))
    require_memory(images, CpuKernels(1, float(enough)))
    n_shells = Reach(float(resolution)).shells(images)
    assert n_shells is not None
    require_memory(images.cropped(n_shells), CpuKernels(1, 4.0))


def test_less_than_the_program_takes_is_refused_with_what_would_do() -> None:
    """Coarser maps are not advised where they would not help."""
    images = images_of(48)
    with pytest.raises(SettingError, match=r"0\.1 GB may be used, but the program itself") as e:
        require_memory(images, CpuKernels(1, 0.1))
    (enough,) = re.findall(r"--memory ([\d.]+)GB or more", str(e.value))
    assert "--map-resolution" not in str(e.value)
    require_memory(images, CpuKernels(1, float(enough)))
