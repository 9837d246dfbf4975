"""Groups of images whose table cannot be right: told otherwise, they fit better by far.

A sample of a group's images is held against the consensus, and their power against the rings of
the CTF, under everything that the table may have meant (docs/derivations/misfits.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfits.alternatives import (
    Alternative,
    Fault,
    Kind,
    alternatives,
    with_poses_of_others,
)
from cryofocus.consensus.misfits.evidence import Evidence, Fit, Sample
from cryofocus.consensus.misfits.profiles import odd_groups
from cryofocus.execution.monitor import Advance, Monitor, SilentMonitor

# Images looked into; and those on which the likeliest alternatives are compared again, if any fits
# better than the table by so much, limited by memory.
PARTICLES, MANY_PARTICLES, MOST_PIXELS = 128, 1024, 1 << 26
FINALISTS, PROMISING = 4, 2.0
# Log-likelihood that is no accident: a right group loses as much, or more, by any factor.
LEAST_GAIN = 25.0
# A half map of few images is a little blurred, and so fits a little better at another size, and
# clear images with another CTF: by this part of the log-likelihood that it has anyway.
NATURAL_PART: Mapping[Fault, float] = {"pixel size": 0.005, "defocus": 0.002}
# Log-likelihood by which images show the consensus at all; and the part of it that is left with
# the poses of others, if their own are no better. Of images with their own, it is a third or less;
# where the particle is nearly a ball it is more, but surely less than all.
SHOWN, SAME, SURELY = 100.0, 0.75, 3.0
# Groups of fewer images say little, and differences between bands below these parts are natural.
SMALLEST = {"optics group": 50, "micrograph": 20}
LEAST_CHANGE = {"optics group": 0.03, "micrograph": 0.15}
# In standard deviations. Optics groups are few: looking into one that is right costs little.
SIGNIFICANT = {"optics group": 3.0, "micrograph": 6.0}
# The oddest groups of each kind that are looked into, and about what is tried of each.
MOST_GROUPS, MOST_TRIED = 12, 45


@dataclass(frozen=True)
class Misfit:
    """A group whose images fit the consensus better told otherwise.

    Attributes:
        kind: What the group is.
        group: Index of the optics group or micrograph in the particle set; 0 for the whole set.
        fault: What should be otherwise; "pose" if those of other particles fit as well.
        factor: By which the table's value should about be multiplied; of poses, 1.
        gain: Log-likelihood of the images looked at, over that with the table's value.
        n_images: How many were looked at.
    """

    kind: Kind
    group: int
    fault: Fault
    factor: float
    gain: float
    n_images: int


def find_misfits(
    evidence: Evidence, match: ImageMatch, monitor: Monitor | None = None
) -> tuple[Misfit, ...]:
    """Find optics groups and micrographs, or else the whole set, that are told wrongly.

    Args:
        evidence: The consensus.
        match: What was measured of every image, by which groups are chosen to be looked into.
        monitor: Shows progress; silent by default.
    """
    particles = evidence.consensus.images.particles
    found: list[Misfit] = []
    optics, micrographs = particles.optics_of_particle, particles.micrograph_of_particle
    odd_optics = _suspects(match, optics, "optics group")
    odd_micrographs = _suspects(match, micrographs, "micrograph")
    n_steps = (len(odd_optics) + len(odd_micrographs) + 1) * (MOST_TRIED + FINALISTS)
    with (monitor or SilentMonitor()).stage("table checked", n_steps, at_most=True) as advance:
        for group in odd_optics:
            rows = np.flatnonzero(optics == group)
            found += _judge(evidence, "optics group", group, rows, advance)
        told = {misfit.group for misfit in found}
        for group in odd_micrographs:
            rows = np.flatnonzero(micrographs == group)
            if not told.intersection(optics[rows].tolist()):
                found += _judge(evidence, "micrograph", group, rows, advance)
        if not found:
            found += _judge(evidence, "set", 0, np.arange(len(particles)), advance)
    return tuple(found)


def _suspects(match: ImageMatch, groups: Int[np.ndarray, " particle"], kind: Kind) -> list[int]:
    odd = odd_groups(match, groups, SMALLEST[kind], LEAST_CHANGE[kind], SIGNIFICANT[kind])
    return list(odd)[:MOST_GROUPS]


def _judge(
    evidence: Evidence, kind: Kind, group: int, rows: Int[np.ndarray, " n"], advance: Advance
) -> Iterator[Misfit]:
    """Yield what is wrong with a group, if anything is."""
    sample = evidence.sample(rows, PARTICLES)
    if not len(sample):
        return
    told, ranked = _rank(evidence, sample, kind, None, advance)
    if ranked[0].gain > PROMISING and len(rows) > PARTICLES:
        most = min(MANY_PARTICLES, MOST_PIXELS // sample.images.particles.box**2)
        sample = evidence.sample(rows, max(PARTICLES, most))
        finalists = [one.alternative for one in ranked[:FINALISTS]]
        told, ranked = _rank(evidence, sample, kind, finalists, advance)
    gain, best = ranked[0].gain, ranked[0].alternative
    least = LEAST_GAIN + NATURAL_PART.get(best.fault, 0.0) * told.to_map
    is_better = gain > least and best.is_mistake
    if not (is_better and gain > told.to_map) and kind != "set" and told.to_map > SHOWN:
        # Where poses tell nothing, something or other fits better by chance.
        others = with_poses_of_others(sample.images.particles)
        fit = evidence.of(sample, replace(sample.images, particles=others), any_sign=False)
        # Noise alone lets a log-likelihood E vary by the root of 2 E.
        is_close = told.to_map - fit.to_map < SURELY * np.sqrt(2 * told.to_map)
        if is_close and fit.to_map > SAME * told.to_map:
            yield Misfit(kind, group, "pose", 1.0, fit.to_map - told.to_map, len(sample))
            return
    if is_better:
        yield Misfit(kind, group, best.fault, best.factor, gain, len(sample))


@dataclass(frozen=True)
class _Tried:
    gain: float
    alternative: Alternative


def _rank(
    evidence: Evidence,
    sample: Sample,
    kind: Kind,
    among: Sequence[Alternative] | None,
    advance: Advance,
) -> tuple[Fit, list[_Tried]]:
    """Return how images fit as told, and what they fit otherwise, the best first."""
    any_sign = kind == "set"  # were all images told wrongly, so would be the map
    particles = sample.images.particles
    pixel_size = particles.optics[particles.optics_of_particle[0]].pixel_size_angstrom
    told = evidence.of(sample, sample.images, any_sign=any_sign)
    tried = []
    for one in among or alternatives(kind, pixel_size):
        fit = evidence.of(sample, one.tell(sample.images), any_sign=any_sign)
        tried.append(_Tried(fit.total - told.total, one))
        advance(note=f"{kind}: {one.fault}")
    return told, sorted(tried, key=lambda one: -one.gain)
