"""Particle index -> what the inference sees: centred transforms and CTFs of one band.

Everything that makes images comparable happens here, once: contrast sign, background
normalisation, centring by the pose's shift, removal of the odd aberrations' phase, and the
bookkeeping for images that were multiplied by their CTF before they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int, Int32

from cryofocus.consensus.band import Band
from cryofocus.consensus.treatment import ImageTreatment, centre, raw_levels, treat
from cryofocus.data.images import HeldImages, Reader
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particles import ParticleSet
from cryofocus.data.resampling import GOOD_ERROR
from cryofocus.execution.ahead import ahead
from cryofocus.execution.contract import Executor, Sharded
from cryofocus.execution.serial import HERE
from cryofocus.kernels.contract import SliceGeometry
from cryofocus.maths.ctf import Microscope, aberration_phase, phase_basis
from cryofocus.maths.fourier import (
    corner_2d_cropped,
    forward_2d_cropped,
    inverse_2d,
    resize_half_2d,
    shift_factors,
    shift_phases,
)
from cryofocus.maths.grids import coarse_box
from cryofocus.placement import Array, Send, is_on_host, join_rows, namespace, stay

T = TypeVar("T")
# Images that are worked on at a time, and that are prepared at a time: what is made of them stays
# in the caches until it is used.
CHUNK_PARTICLES, CHUNK_PIXELS, PART_PIXELS = 512, 2**22, 2**20
# Devices take more, but no more than fit the host.
DEVICE_PIXELS = 2**24
# More threads than these would wait for those that use what they prepare.
MOST_HELPERS = 8
# Of the grids that slices are cut from, unless they are to be small.
PADDING = 2


@dataclass(frozen=True)
class ImageChunk:
    """Prepared images of some particles, restricted to a band.

    Attributes:
        particles: `(n,)` indices into the particle set.
        groups: `(n,)` optics group index.
        transforms: `(n, point)`; for an image written multiplied by its CTF, still so.
        ctf: `(n, point)` CTF with envelope and scale, as it multiplies a projection.
        is_premultiplied: `(n,)`.
        held_shells: `(n,)` shells that each image holds; beyond, transform and CTF are zero.
        weight: `(n,)` how much each image counts, 0 to 1; None where all count fully.
    """

    particles: Int[np.ndarray, " n"]
    groups: Int32[np.ndarray, " n"]
    transforms: Complex64[Array, "n point"]
    ctf: Float32[Array, "n point"]
    is_premultiplied: Bool[np.ndarray, " n"]
    held_shells: Int[np.ndarray, " n"]
    weight: Float32[np.ndarray, " n"] | None = None

    @classmethod
    def joined(cls, chunks: Sequence[ImageChunk]) -> ImageChunk:
        """Return several chunks of the host as one."""
        if len(chunks) == 1:
            return chunks[0]
        columns: dict[str, Any] = {}
        for field in fields(cls):
            parts = [getattr(one, field.name) for one in chunks]
            columns[field.name] = None if parts[0] is None else np.concatenate(parts)
        return cls(**columns)


@dataclass(frozen=True)
class ParticleImages:
    """The images of a particle set, prepared chunk by chunk; nothing is kept.

    Attributes:
        particles: The particle set.
        reader: Gives raw pixels.
        treatment: What is done to them.
        threads: Threads of the Fourier transforms.
        executor: Where passes over all images are made.
        file_box: Edge of what the reader gives, where transforms are cropped to the particles'
            box; None where they are not.
    """

    particles: ParticleSet
    reader: Reader
    treatment: ImageTreatment
    threads: int = 1
    executor: Executor = HERE
    file_box: int | None = None

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.particles)

    @property
    def stretch(self) -> float:
        """Largest factor by which a group's magnification moves frequencies outwards, or 1."""
        matrices = [group.microscope.magnification_matrix for group in self.particles.optics]
        return max(1.0, float(np.linalg.norm(matrices, ord=2, axis=(1, 2)).max()))

    @cached_property
    def held_shells(self) -> Int[np.ndarray, " group"]:
        """Shells that images of each optics group hold; zeros beyond are not data."""
        extent = self.particles.box * self.particles.pixel_size_angstrom
        detail = np.array([group.detail_angstrom for group in self.particles.optics])
        return np.asarray(extent / detail * (1 + GOOD_ERROR)).astype(np.int64)

    @cached_property
    def shards(self) -> Sharded[ParticleImages]:
        """The images of each range of particles, to be read where the range's work is done."""
        ranges = self.executor.ranges(len(self))
        return self.executor.place([self._take(rows) for rows in ranges], ranges)

    def _take(self, rows: slice) -> ParticleImages:
        if rows == slice(0, len(self)):
            return replace(self, executor=HERE)
        return self.take(np.arange(rows.start, rows.stop))

    def take(self, which: Int[np.ndarray, " n"]) -> ParticleImages:
        """Return some of the images, to be read here."""
        # The table is the whole set's, and nobody asks for it where images are read.
        particles = replace(self.particles.take(which), table=None)
        return replace(self, particles=particles, reader=self.reader.take(which), executor=HERE)

    def largest_band(self) -> Band:
        """Return the band of all shells whose slices stay on a grid padded twofold."""
        box = self.particles.box
        return Band.disc(box, int((box - 1) / (2 * self.stretch) + 0.5))

    def cropped(self, n_shells: int) -> ParticleImages:
        """Return the images at as few, larger pixels as hold so many shells.

        Transforms are cropped as images are read and treated, and keep their values. Where that
        would save nothing, the images stay as they are.
        """
        particles, box = self.particles, self.particles.box
        small = coarse_box(box, int(np.ceil(n_shells * self.stretch)))
        if small == box:
            return self
        pixel_size = particles.pixel_size_angstrom * box / small
        coarse = replace(particles, box=small, pixel_size_angstrom=pixel_size)
        return replace(self, particles=coarse, file_box=self.file_box or box)

    def held(self, chosen: Int[np.ndarray, " n"]) -> ParticleImages:
        """Return some of the images, read once: cropped and treated as they are, in memory."""
        size, parts = self.most_particles(CHUNK_PIXELS), []
        for start in range(0, len(chosen), size):
            pixels = treat(self.reader.read(chosen[start : start + size]), self.treatment)
            half = forward_2d_cropped(pixels, self.particles.box, threads=self.threads)
            parts.append(inverse_2d(half, self.particles.box, threads=self.threads))
        nothing = np.empty((0, self.particles.box, self.particles.box), np.float32)
        return replace(
            self.take(chosen),
            reader=HeldImages(np.concatenate([nothing, *parts])),
            treatment=replace(self.treatment, sign=1, normalise=False, usual_deviation=None),
            file_box=None,
        )

    def flipped(self) -> ParticleImages:
        """Return the same images with the opposite contrast sign."""
        opposite = replace(self.treatment, sign=-self.treatment.sign)
        return replace(self, treatment=opposite).settled()

    def settled(self) -> ParticleImages:
        """Return the same images, whose contrast sign is not asked for again."""
        return replace(self, treatment=replace(self.treatment, is_sign_settled=True))

    def chunks(
        self, band: Band, which: Int[np.ndarray, " n"] | None = None, *, send: Send = stay
    ) -> Iterator[ImageChunk]:
        """Yield prepared chunks of some particles (all by default) in the order given; see `each`.

        Args:
            band: Points to keep.
            which: Particles.
            send: Brings arrays to where transforms and CTFs shall lie; they are made there.
        """
        return self.each(lambda chunk: chunk, band, which, send=send)

    def each(
        self,
        use: Callable[[ImageChunk], T],
        band: Band,
        which: Int[np.ndarray, " n"] | None = None,
        *,
        send: Send = stay,
    ) -> Iterator[T]:
        """Yield what is made of each prepared chunk of some particles, in the order given.

        While a result is worked on, threads read, prepare and use the next chunks, each its own,
        and the system reads on. For a device, another thread reads ahead.

        Args:
            use: What is made of a chunk, by several threads at a time.
            band: Points to keep.
            which: Particles, all by default.
            send: Brings arrays to where transforms and CTFs shall lie; they are made there.
        """
        chosen = np.arange(len(self)) if which is None else np.asarray(which)
        on_host = is_on_host(send(np.empty(0)))
        size = self.most_particles(PART_PIXELS if on_host else DEVICE_PIXELS)
        n_parts = max(1, self.most_particles(CHUNK_PIXELS) // size)
        if on_host:
            helpers = self.helpers(send)
            load = partial(replace(self, threads=1 if helpers else self.threads).load, band)
            yield from ahead(
                lambda rows: use(ImageChunk.joined(list(map(load, _cut(rows, size))))),
                self._expected(_cut(chosen, n_parts * size)),
                helpers,
            )
            return
        parts = list(_cut(chosen, size))
        pixels = ahead(self.reader.read, parts, 1)
        prepared = map(partial(self.prepare, band, send=send), parts, pixels)
        while some := list(islice(prepared, n_parts)):
            yield use(ImageChunk.joined(some))

    def _expected(self, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield parts of the particles; meanwhile the images of the next come from the files."""
        upcoming = next(parts, None)
        while upcoming is not None:
            part, upcoming = upcoming, next(parts, None)
            if upcoming is not None:
                self.reader.expect(upcoming)
            yield part

    def helpers(self, send: Send = stay) -> int:
        """Return how many threads prepare what others work on: none on a device, or of one."""
        if self.threads == 1 or not is_on_host(send(np.empty(0))):
            return 0
        return min(self.threads, MOST_HELPERS)

    def most_particles(self, n_pixels: int) -> int:
        """Return how many images have so many pixels in the files; at least one."""
        return max(1, min(CHUNK_PARTICLES, n_pixels // (self.file_box or self.particles.box) ** 2))

    def load(self, band: Band, chosen: Int[np.ndarray, " n"]) -> ImageChunk:
        """Read and prepare the images of some particles."""
        return self.prepare(band, chosen, self.reader.read(chosen))

    def prepare(
        self,
        band: Band,
        chosen: Int[np.ndarray, " n"],
        pixels: Float32[np.ndarray, "n file_box file_box"],
        *,
        send: Send = stay,
    ) -> ImageChunk:
        """Prepare raw pixels of some particles; see `chunks`."""
        particles = self.particles
        shape = (particles.box, particles.pixel_size_angstrom)
        groups = particles.optics_of_particle[chosen].astype(np.int32)
        present, group_of_row = np.unique(groups, return_inverse=True)
        optics = [particles.optics[group] for group in present]
        centred, gain = centre(send(pixels), self.treatment)
        half = corner_2d_cropped(centred, particles.box, threads=self.threads)
        del centred
        if self.treatment.levels is not None:
            gain = gain / self.treatment.levels[groups]
        # The centre, a pixel of the files, goes to the origin with what is off-centre.
        file_box = self.file_box or particles.box
        centre_angstrom = file_box // 2 * shape[1] * particles.box / file_box
        place = particles.shift_angstrom[chosen] - centre_angstrom
        along_y, along_x = shift_factors(*shape, place, send=send)
        along_y *= send(gain.astype(np.float32)[:, None, None])
        half *= along_y
        half *= along_x
        transforms = band.pick(half)
        phases = _conjugate_phases(optics, band, shape[1])
        if phases is not None:
            xp = namespace(transforms)
            transforms *= xp.take(send(phases), send(group_of_row), axis=0)
        rows = [np.flatnonzero(groups == group) for group in present]
        ctf = [
            one.ctf_on(
                _basis(one.microscope, band, shape[1]), particles.ctf.take(chosen[part]), send=send
            )
            for one, part in zip(optics, rows, strict=True)
        ]
        is_premultiplied = np.array([one.ctf_premultiplied for one in optics], bool)[group_of_row]
        joined = join_rows(ctf, np.concatenate(rows))
        held = self.held_shells[groups]
        if (held < band.n_shells).any():
            is_held = send((band.shells < held[:, None]).astype(np.float32))
            transforms *= is_held
            joined *= is_held
        weight = None if particles.weight is None else particles.weight[chosen]
        return ImageChunk(chosen, groups, transforms, joined, is_premultiplied, held, weight)

    def restore(
        self,
        band: Band,
        chosen: Int[np.ndarray, " n"],
        transforms: Complex64[np.ndarray, "n point"],
    ) -> Float32[np.ndarray, "n file_box file_box"]:
        """Return images of prepared transforms: off-centre and aberrated as in the files.

        The inverse of `prepare` but for contrast sign and grey levels (`grey_scale`), and for what
        was cropped, which is zero.
        """
        particles = self.particles
        half = band.scatter(transforms)
        shift = particles.shift_angstrom[chosen]
        half *= shift_phases(particles.box, particles.pixel_size_angstrom, -shift)
        groups = particles.optics_of_particle[chosen]
        for group in np.unique(groups):
            microscope = particles.optics[group].microscope
            phase = aberration_phase(microscope, particles.box, particles.pixel_size_angstrom)
            if phase is not None:
                half[groups == group] *= phase
        file_box = self.file_box or particles.box
        if file_box != particles.box:
            half = resize_half_2d(half, particles.box, file_box)
        return np.asarray(inverse_2d(half, file_box, threads=self.threads))

    def grey_scale(
        self,
        chosen: Int[np.ndarray, " n"],
        pixels: Float32[np.ndarray, "n file_box file_box"],
    ) -> Float32[np.ndarray, " n"]:
        """Return raw grey levels per unit of prepared images, negative where protein is dark."""
        treatment = self.treatment
        scale = treatment.sign * raw_levels(pixels, treatment)
        if treatment.levels is not None:
            scale *= treatment.levels[self.particles.optics_of_particle[chosen]]
        return scale

    def geometry(
        self, band: Band, padding: int | float, edge: int, which: Int[np.ndarray, " n"]
    ) -> SliceGeometry:
        """Return where the band's slices of some particles cut a padded grid."""
        matrices = projection_matrices(self.particles, which).astype(np.float32)
        return SliceGeometry(edge, band.grid_points(padding), matrices)


def _cut(rows: Int[np.ndarray, " n"], size: int) -> Iterator[Int[np.ndarray, " some"]]:
    """Cut rows into parts of so many."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def projection_matrices(
    particles: ParticleSet, which: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 2 3"]:
    """Return what carries points of the volume into the images, magnification included.

    A frequency f of the image is M f in the specimen, so the slice runs along A^T M f, and the
    point a is seen at M^T (A a)[:2].
    """
    magnification = np.array([group.microscope.magnification_matrix for group in particles.optics])
    of_particle = magnification[particles.optics_of_particle[which]]
    folded = np.einsum("nji,njk->nik", of_particle, particles.rotation[which, :2, :])
    return np.asarray(folded, np.float64)


def _conjugate_phases(
    optics: Sequence[OpticsGroup], band: Band, pixel_size: float
) -> Complex64[np.ndarray, "group point"] | None:
    """Return what removes odd aberrations, or None if no group has any."""
    if not any(group.microscope.has_odd_aberrations for group in optics):
        return None
    return np.stack([_conjugate_phase(group.microscope, band, pixel_size) for group in optics])


# Asked for of every few images; a pass has one band.
@lru_cache(maxsize=32)
def _conjugate_phase(
    microscope: Microscope, band: Band, pixel_size: float
) -> Complex64[np.ndarray, " point"]:
    phase = aberration_phase(microscope, band.box, pixel_size)
    if phase is None:
        return np.ones(len(band), np.complex64)
    return np.asarray(np.conj(band.pick(phase[None])[0]))


@lru_cache(maxsize=32)
def _basis(
    microscope: Microscope, band: Band, pixel_size: float
) -> Float32[np.ndarray, "5 point"]:
    """Return the functions of which the CTF's phases are sums, at the points of a band."""
    return np.ascontiguousarray(phase_basis(microscope, band.box, pixel_size)[:, band.places])
