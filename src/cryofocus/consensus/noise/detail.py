"""Images that hold no fine detail, among others of the same pixel size that do.

Programs that bring images of several pixel sizes into one stack pad the coarse ones with zeros in
Fourier space, and many join their optics groups: a coarse image then looks like one that is
certain that there is no detail. Noise reaches to the last shell of every image that was recorded
with such pixels; where the outermost shells of some images hold next to nothing beside those of
the others, they become an optics group of their own, which ends where they do.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from cryofocus.consensus.band import Band
from cryofocus.data.images import Reader
from cryofocus.data.particles import ParticleSet
from cryofocus.formatting import format_count
from cryofocus.maths.fourier import forward_2d_cropped

logger = logging.getLogger(__name__)

# Of the shells that a pixel can hold: the outermost, and those that hold noise however coarse an
# image was.
OUTER, INNER = 0.8, 0.25
# How much weaker the outer shells of coarse images are than those of others, and than those of
# the finest of them.
EMPTY, GAP = 0.01, 0.03
# Parts of the others' power: what a shell of an image holds beyond its end, and of many at it.
BEYOND, END = 0.1, 0.5
# With fewer shells there are none but inner ones.
FEWEST_SHELLS = 8
# Images whose ends are averaged, and pixels that are looked at together.
MANY, PIXELS_AT_ONCE = 256, 2**22

Power = Float[np.ndarray, "n n_shells"]


def split_by_detail(
    particles: ParticleSet, reader: Reader, sample: Int[np.ndarray, " m"]
) -> ParticleSet:
    """Return the particles with coarse images among finer ones in optics groups of their own.

    Images of one pixel size are compared, whatever their optics group. All of them are read only
    if the sample holds coarse ones.

    Args:
        particles: The particle set.
        reader: Gives raw pixels.
        sample: Particles that are looked at first.
    """
    extent = particles.box * particles.pixel_size_angstrom
    detail = np.array([group.detail_angstrom for group in particles.optics])
    held = np.minimum(extent / detail + 1e-3, particles.box // 2).astype(np.int64)
    of_particle = held[particles.optics_of_particle]
    for n_shells in np.unique(of_particle[sample]).tolist():
        chosen = sample[of_particle[sample] == n_shells]
        if n_shells < FEWEST_SHELLS or len(chosen) < 2:
            continue
        seen = _measure(particles, reader, chosen, n_shells)
        limit = _find_gap(_fall(seen))
        if limit is None:
            continue
        usual = np.median(_levelled(seen[_fall(seen) > limit]), axis=0)
        rows = np.flatnonzero(of_particle == n_shells)
        power = _measure(particles, reader, rows, n_shells)
        coarse = _fall(power) < limit
        ends = _ends(_levelled(power[coarse]) / usual)
        for alike in _alike(ends):
            few = rows[coarse][alike][:MANY]
            fine = chosen[_fall(seen) > limit][:MANY]
            spectra = (
                _measure(particles, reader, one, n_shells, fade=False) for one in (few, fine)
            )
            ratio = np.divide(*(_levelled(one).mean(axis=0) for one in spectra))
            end = n_shells - int(np.argmax((ratio > END)[::-1]))
            particles = _regroup(particles, rows[coarse][alike], extent / end)
    return particles


def _measure(
    particles: ParticleSet,
    reader: Reader,
    chosen: Int[np.ndarray, " n"],
    n_shells: int,
    *,
    fade: bool = True,
) -> Power:
    """Return the power of images by shell.

    Edges of an image that do not match each other have power in all shells; faded out, they have
    not, but the end of a spectrum is blurred.
    """
    band = Band.disc(particles.box, n_shells)
    axis = np.sin(np.pi * (np.arange(particles.box) + 0.5) / particles.box) ** 2
    window = (axis[:, None] * axis if fade else np.ones(1)).astype(np.float32)
    parts, at_once = [], max(1, PIXELS_AT_ONCE // particles.box**2)
    for start in range(0, len(chosen), at_once):
        pixels = reader.read(chosen[start : start + at_once])
        pixels = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) * window
        transforms = band.pick(forward_2d_cropped(pixels, particles.box))
        parts.append(band.shell_sums(transforms.real**2 + transforms.imag**2))
    power = np.concatenate(parts) / band.shell_counts()
    return np.asarray(np.maximum(power, np.finfo(np.float32).tiny), np.float64)


def _inner(n_shells: int) -> slice:
    return slice(1, max(int(INNER * n_shells), 2))


def _levelled(power: Power) -> Power:
    """Return power beside that of the inner shells, whatever the images' grey levels."""
    return np.asarray(power / power[:, _inner(power.shape[1])].mean(axis=1, keepdims=True))


def _fall(power: Power) -> Float[np.ndarray, " n"]:
    """Return the logarithm of the power in the outer shells beside that in the inner ones."""
    outer = _levelled(power)[:, int(OUTER * power.shape[1]) :]
    return np.asarray(np.log(outer.mean(axis=1)))


def _find_gap(fall: Float[np.ndarray, " n"]) -> float | None:
    """Return what parts images without detail from the others; None where all are of a kind."""
    limit, ordered = None, np.sort(fall)
    while len(ordered) > 1:
        steps = np.diff(ordered)
        at = int(np.argmax(steps))
        low, high = np.median(ordered[: at + 1]), np.median(ordered[at + 1 :])
        if steps[at] < -np.log(GAP) or high - low < -np.log(EMPTY):
            break
        limit, ordered = float(ordered[at : at + 2].mean()), ordered[at + 1 :]
    return limit


def _ends(relative: Power) -> Int[np.ndarray, " n"]:
    """Return the number of shells in which images hold what others do."""
    return np.asarray(relative.shape[1] - np.argmax((relative > BEYOND)[:, ::-1], axis=1))


def _alike(ends: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Return which images end together: ends that differ by a shell are one, seen in noise."""
    different = np.unique(ends)
    runs = np.split(different, np.flatnonzero(np.diff(different) > 1) + 1)
    return [np.flatnonzero(np.isin(ends, run)) for run in runs]


def _regroup(
    particles: ParticleSet, rows: Int[np.ndarray, " n"], finest_angstrom: float
) -> ParticleSet:
    """Give images that end together groups of their own, one for each group that they were in."""
    optics, groups = list(particles.optics), particles.optics_of_particle.copy()
    for before in np.unique(groups[rows]).tolist():
        own = rows[groups[rows] == before]
        logger.info(
            "optics group %d: %s of its images hold nothing finer than %.3g Å, though their "
            "pixels could; they count up to there",
            *(optics[before].number, format_count(len(own)), finest_angstrom),
        )
        groups[own] = len(optics)
        optics.append(replace(optics[before], finest_angstrom=finest_angstrom))
    return replace(particles, optics=tuple(optics), optics_of_particle=groups)
