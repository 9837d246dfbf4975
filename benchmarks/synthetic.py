"""Particle sets of any number and box from one small simulated set; used by the other scripts.

Cost does not depend on whether images repeat, nor on what surrounds the particle, so a set is
made larger by repeating its particles, and its box by framing each image with noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from cryofocus.data.images import ImageReader
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.machine.hardware import describe_hardware
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

SOFT_EDGE_ANGSTROM = 8.0
PLACES = 64  # rows and columns at which a frame of noise may begin


@dataclass(frozen=True)
class FramedReader:
    """Images of a reader in the middle of a larger box, with white noise around."""

    reader: ImageReader
    inner_box: int
    box: int
    numbers: np.ndarray

    @classmethod
    def around(cls, particles: ParticleSet, box: int) -> FramedReader:
        """Frame the images of some particles."""
        return cls(ImageReader(particles), particles.box, box, np.arange(len(particles)))

    @cached_property
    def noise(self) -> np.ndarray:
        """A field of noise out of which frames are cut."""
        rng = np.random.default_rng(0)
        return rng.standard_normal((self.box + PLACES,) * 2, np.float32)

    def take(self, which: np.ndarray) -> FramedReader:
        """Return a reader of some of the images, each with the noise it had."""
        return replace(self, reader=self.reader.take(which), numbers=self.numbers[which])

    def expect(self, indices: np.ndarray) -> None:
        """Do nothing: images are there."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return framed images; the same image always gets the same noise."""
        inner = self.reader.read(indices)
        if self.box == self.inner_box:
            return inner
        images = np.empty((len(indices), self.box, self.box), np.float32)
        for image, number in zip(images, self.numbers[indices], strict=True):
            y, x = divmod(int(number) % PLACES**2, PLACES)
            image[:] = self.noise[y : y + self.box, x : x + self.box]
        start = self.box // 2 - self.inner_box // 2
        inside = slice(start, start + self.inner_box)
        images[:, inside, inside] = inner
        return images


@dataclass(frozen=True)
class SimulatedSet:
    """A small simulated set on disk."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, n_particles: int, box: int, pixel_size: float) -> SimulatedSet:
        """Simulate scenario 1 at SNR 0.025."""
        settings = HumanoidSettings(
            particles=n_particles, snr=0.025, box=box, pixel_size_angstrom=pixel_size
        )
        simulate_humanoid(folder, settings)
        return cls(folder)

    @property
    def focus(self) -> tuple[float, float, float, float]:
        """Centre and radius of its focus sphere, Å."""
        description = yaml.safe_load((self.folder / "dataset.yaml").read_text(encoding="utf-8"))
        x, y, z, radius = (float(number) for number in description["focus_sphere"].split(","))
        return x, y, z, radius

    def repeat(self, n_particles: int, path: Path) -> Path:
        """Write a table of so many particles; further ones are in the same stack by other names.

        Symbolic links would be taken for what they are, and their images for duplicates.
        """
        particles = ParticleSet.read(self.folder / "particles.star")
        images = len(particles)
        links = path.with_suffix(".stacks")
        links.mkdir(exist_ok=True)
        for copy in range(-(-n_particles // images)):
            link = links / f"{copy + 1:05d}.mrcs"
            link.unlink(missing_ok=True)
            link.hardlink_to((self.folder / "particles.mrcs").resolve())
        places = (divmod(i, images) for i in range(n_particles))
        names = [f"{image + 1:06d}@{links.name}/{copy + 1:05d}.mrcs" for copy, image in places]
        repeated = particles.take(np.arange(n_particles) % images)
        repeated.write(path, {"rlnImageName": names})
        return path

    def enlarge(
        self, n_particles: int, box: int, radius_angstrom: float | None = None
    ) -> tuple[ParticleSet, FramedReader, FocusMask]:
        """Return the set with so many particles in such a box, and its focus mask."""
        small = ParticleSet.read(self.folder / "particles.star")
        repeated = small.take(np.arange(n_particles) % len(small))
        particles = replace(
            repeated, box=box, optics=tuple(replace(group, box=box) for group in repeated.optics)
        )
        reader = FramedReader.around(repeated, box)
        pixel = particles.pixel_size_angstrom
        x, y, z, radius = self.focus
        shift = (box // 2 - small.box // 2) * pixel
        sphere = (x + shift, y + shift, z + shift, radius_angstrom or radius)
        mask = FocusMask.from_sphere(sphere, box, pixel, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
        return particles, reader, mask


def describe_here(date: str) -> str:
    """Say where and when a table was measured."""
    machine = describe_hardware()
    return (
        f"Measured on {machine.processor}, {machine.cores} cores, {machine.memory_gb:.0f} GB, "
        f"Python {machine.python}, {date}."
    )
