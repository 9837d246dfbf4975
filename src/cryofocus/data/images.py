"""Particle index -> raw pixels, from memory-mapped stacks."""

from __future__ import annotations

import mmap
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int, Shaped

from cryofocus.data.mapped import let_go, read_ahead
from cryofocus.data.mrc import read_header
from cryofocus.data.particles import ParticleSet
from cryofocus.data.resampling import plan_resampling
from cryofocus.errors import ParticleError

# Mapped stacks kept at a time; operating systems limit the number of mappings.
MAX_OPEN_STACKS = 512
# Read before pages of the files are given back, which takes a while and spoils what comes next.
LET_GO_BYTES = 2**26
# Beyond, squares and their sums leave single precision.
LARGEST_PIXEL = 1e12


@runtime_checkable
class Reader(Protocol):
    """Anything that gives raw particle images by index."""

    def read(self, indices: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """Return raw pixel values, float32."""
        ...

    def expect(self, indices: Int[np.ndarray, " m"]) -> None:
        """Begin to read images that will be asked for soon."""
        ...

    def take(self, which: Int[np.ndarray, " m"]) -> Reader:
        """Return a reader of some of the particles, which it counts from 0."""
        ...


@dataclass(frozen=True, eq=False)
class HeldImages:
    """A `Reader` of images that lie in memory."""

    pixels: Float32[np.ndarray, "n box box"]

    def read(self, indices: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """Return images by index."""
        return np.asarray(self.pixels[indices])

    def expect(self, indices: Int[np.ndarray, " m"]) -> None:
        """Do nothing: they are there."""

    def take(self, which: Int[np.ndarray, " m"]) -> HeldImages:
        """Return some of the images."""
        return HeldImages(self.pixels[which])


class ImageReader:
    """Read images of a particle set in any order, from several threads if need be.

    Images of optics groups with another box or pixel size are resampled to the set's own grid.

    Args:
        particles: Whose images.
    """

    def __init__(self, particles: ParticleSet) -> None:
        self._particles = particles
        self._stacks: OrderedDict[int, Shaped[np.ndarray, "sections box box"]] = OrderedDict()
        self._lock = Lock()
        self._mapped_bytes = 0

    def __reduce__(self) -> tuple[type[ImageReader], tuple[ParticleSet]]:
        """Travel as what to read: stacks are opened where they are read."""
        return ImageReader, (self._particles,)

    def take(self, which: Int[np.ndarray, " m"]) -> ImageReader:
        """Return a reader of some of the particles, which it counts from 0."""
        return ImageReader(replace(self._particles.take(which), table=None))

    def read(self, indices: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """Read images.

        Args:
            indices: Particles, in any order.

        Returns:
            Raw pixel values.

        Raises:
            ParticleError: If a pixel is NaN or infinite, or an image has not the box of its optics
                group.
        """
        particles = self._particles
        indices = np.asarray(indices)
        stacks = particles.stack_of_particle[indices]
        groups = particles.optics_of_particle[indices]
        n_groups = len(particles.optics)
        places = np.unique(stacks.astype(np.int64) * n_groups + groups)
        if len(places) == 1:
            return self._read_from(indices, *divmod(int(places[0]), n_groups))
        images = np.empty((len(indices), particles.box, particles.box), np.float32)
        for place in places.tolist():
            stack, group = divmod(place, n_groups)
            where = np.flatnonzero((stacks == stack) & (groups == group))
            images[where] = self._read_from(indices[where], stack, group)
        return images

    def expect(self, indices: Int[np.ndarray, " m"]) -> None:
        """Have the system read images from the files, and go on meanwhile."""
        stacks = self._particles.stack_of_particle[indices]
        for stack in np.unique(stacks).tolist():
            slices = self._particles.slice_of_particle[indices[stacks == stack]]
            read_ahead(self._open(stack), np.unique(slices))

    def _read_from(
        self, chosen: Int[np.ndarray, " k"], stack: int, group: int
    ) -> Float32[np.ndarray, "k box box"]:
        """Read images of one stack."""
        particles = self._particles
        data = self._open(stack)
        slices = particles.slice_of_particle[chosen]
        box, pixel = particles.optics[group].box, particles.optics[group].pixel_size_angstrom
        if data.shape[1:] != (box, box) or slices.max() >= len(data):
            raise ParticleError(
                f"{particles.stack_paths[stack]}: a stack of shape {data.shape}, but the table "
                f"asks for image {int(slices.max()) + 1} of {box} x {box} pixels. Give the stack "
                "that belongs to the table."
            )
        _require_whole(data, particles.stack_paths[stack])
        # Copies of a symmetry-expanded set share their image: it is read and resampled once.
        different, copy = np.unique(slices, return_inverse=True)
        with np.errstate(invalid="ignore"):  # NaN is refused below, whatever its bits
            pixels = _gather(data, different)
        self._let_go_of(data, len(different))
        with np.errstate(all="ignore"):  # infinities, and what becomes infinite
            power = np.einsum("nij,nij->n", pixels, pixels)
        is_good = power <= LARGEST_PIXEL**2 * box**2  # NaN is not
        if not is_good.all():
            first = int(np.argmin(is_good))
            fault = "are NaN or infinite"
            if np.isfinite(pixels[first]).all():
                fault = f"reach {float(np.abs(pixels[first]).max()):.2g}"
            raise ParticleError(
                f"{particles.stack_paths[stack]}: image {int(different[first]) + 1} has pixels "
                f"that {fault}. Remove this particle or extract it again."
            )
        plan = plan_resampling(box, pixel, particles.box, particles.pixel_size_angstrom)
        if plan is not None:
            pixels = plan.apply(pixels)
        in_order = len(copy) == len(different) and (copy[:-1] < copy[1:]).all()
        return pixels if in_order else pixels[copy]

    def _let_go_of(self, data: Shaped[np.ndarray, "sections box box"], n_images: int) -> None:
        """Give back the pages of all stacks when much was read since the last time."""
        with self._lock:
            self._mapped_bytes += n_images * data[0].nbytes
            if self._mapped_bytes < LET_GO_BYTES:
                return
            self._mapped_bytes, open_stacks = 0, list(self._stacks.values())
        for one in open_stacks:
            let_go(one)

    def _open(self, stack: int) -> Shaped[np.ndarray, "sections box box"]:
        with self._lock:
            if stack in self._stacks:
                self._stacks.move_to_end(stack)
            else:
                self._stacks[stack] = read_header(self._particles.stack_paths[stack]).open()
                if len(self._stacks) > MAX_OPEN_STACKS:
                    self._stacks.popitem(last=False)
            return self._stacks[stack]


def _require_whole(data: Shaped[np.ndarray, "sections box box"], path: Path) -> None:
    """Refuse a file that was cut since it was mapped: reading on would end the program."""
    if isinstance(data.base, mmap.mmap) and data.base.size() < len(data.base):
        raise ParticleError(
            f"{path}: holds {data.base.size()} bytes, but {len(data.base)} when it was opened. It "
            "was cut or is being written anew; put it back, and finish the run with --resume."
        )


def _gather(
    data: Shaped[np.ndarray, "sections box box"], slices: Int[np.ndarray, " k"]
) -> Float32[np.ndarray, "k box box"]:
    """Copy slices as float32; a run of neighbours is read without an intermediate copy."""
    first = int(slices[0])
    if np.array_equal(slices, np.arange(first, first + len(slices))):
        return np.asarray(data[first : first + len(slices)]).astype(np.float32)
    return np.asarray(data[slices]).astype(np.float32)
