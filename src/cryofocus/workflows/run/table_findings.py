"""Images whose table or contrast cannot be right, named as the table names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import log

import numpy as np
from jaxtyping import Int8

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfits.alternatives import Fault
from cryofocus.consensus.misfits.check import check_table
from cryofocus.consensus.misfits.misfit import LEAST_GAIN, Misfit
from cryofocus.consensus.misfits.roundness import LEAST_SHARE, LEAST_WITH_NOISE, Roundness
from cryofocus.data.particles import ParticleSet
from cryofocus.execution.monitor import Monitor
from cryofocus.kernels.contract import SliceKernels
from cryofocus.workflows.run.job import Finding, FindingCode, Severity

# More names than these do not fit a sentence.
MOST_NAMES = 5
# An image shows the consensus with the contrast of its negative by so many standard errors; of
# images of nothing, three in 100,000 do. So many of the particles, and no fewer, are a finding.
SURE, NOTABLE, FEWEST = 4.0, 0.001, 5
# An image has about the power of its noise; one of equal pixels has what rounding leaves.
BLANK_POWER = 1e-4
WHOSE_POSES = (
    "Poses are off by far, or images and poses do not belong together: rows or image numbers in "
    "another order, the stack of another table, angles of another program's convention, CTFs that "
    "are none. Give table and stack as one program wrote them."
)


def judge_table(
    consensus: Consensus,
    match: ImageMatch | None,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    monitor: Monitor | None = None,
) -> Iterator[Finding]:
    """Say everything that images and their table disagree about; see `check_table`.

    Where no pass over the images has matched them, nothing is said.
    """
    if match is None:
        return
    check = check_table(consensus, match, half_set, kernels, monitor)
    yield from judge_misfits(check.misfits, check.particles)
    if check.roundness is not None:
        yield from judge_views(check.roundness)
    yield from judge_contrasts(check.match, check.particles)
    yield from judge_blanks(match)


def judge_misfits(misfits: Sequence[Misfit], particles: ParticleSet) -> Iterator[Finding]:
    """Say which groups fit the consensus better with other numbers, and which with any pose."""
    alike: defaultdict[tuple[str, Fault, float], list[Misfit]] = defaultdict(list)
    for misfit in misfits:
        alike[misfit.kind, misfit.fault, misfit.factor].append(misfit)
    numbers = {key: group for key, group in alike.items() if key[1] != "pose"}
    if numbers:
        yield _judge_numbers(numbers, particles)
    strangers = [group for key, group in alike.items() if key[1] == "pose"]
    if strangers:
        named = "; ".join(_name(group, particles) for group in strangers)
        named = named[0].upper() + named[1:]
        misfit = strangers[0][0]
        yield Finding(
            code=FindingCode.POSES_OF_OTHERS,
            severity=Severity.WARNING,
            text=(
                f"{named}: the images show the consensus at the poses of other particles as well "
                f"as at their own. {WHOSE_POSES}"
            ),
            figures={"n_groups": sum(map(len, strangers)), "gain": misfit.gain},
        )


def judge_views(roundness: Roundness) -> Iterator[Finding]:
    """Say it if the consensus looks alike from all sides."""
    if roundness.is_ball:
        yield Finding(
            code=FindingCode.VIEWS_ALIKE,
            severity=Severity.WARNING,
            text=(
                "The consensus is a ball: it looks alike from all sides, as the mean over all "
                f"views does. If the particle is none, nothing here means anything. {WHOSE_POSES}"
            ),
            figures={
                "share": roundness.share,
                "share_threshold": LEAST_SHARE,
                "share_with_noise": roundness.share_with_noise,
                "share_with_noise_threshold": LEAST_WITH_NOISE,
            },
        )


def _judge_numbers(
    alike: Mapping[tuple[str, Fault, float], Sequence[Misfit]], particles: ParticleSet
) -> Finding:
    said = "; ".join(
        f"{_name(group, particles)} with {factor:.3g} times the {fault} of the table"
        for (_, fault, factor), group in alike.items()
    )
    pixel_size = particles.optics[0].pixel_size_angstrom
    hints = {_hint(kind, fault, factor, pixel_size): None for kind, fault, factor in alike}
    misfits = [misfit for group in alike.values() for misfit in group]
    return Finding(
        code=FindingCode.GROUPS_MISFIT,
        severity=Severity.WARNING,
        text=(
            f"What the table says cannot be right; images fit far better: {said} (factors are "
            f"rough{''.join(hints)}). Correct the table, or leave these images out."
        ),
        figures={
            "n_groups": len(misfits),
            "factor": misfits[0].factor,
            "gain": misfits[0].gain,
            "threshold": LEAST_GAIN,
        },
    )


def _hint(kind: str, fault: Fault, factor: float, pixel_size_angstrom: float) -> str:
    """Return what such a factor may come from."""
    if fault == "shift":
        if factor < 0:
            return "; shifts of the opposite sign move the image, not the particle"
        in_pixels = abs(log(factor / pixel_size_angstrom)) < abs(log(factor * pixel_size_angstrom))
        units = ("pixels", "Å") if in_pixels else ("Å", "pixels")
        return f"; they may be in {units[0]}, but called {units[1]}"
    if fault == "defocus angle" and factor > 0:
        return "; the angle may be in radians, but taken for degrees"
    if fault in ("defocus angle", "astigmatism"):
        return "; the angle may count from another axis, or in the other sense"
    if fault == "pixel size" and kind == "set":
        return "; it may be that of the movie or the micrograph, and the images binned"
    if factor < 0:
        return "; -1 times the defocus: their contrast may be inverted"
    return "; a pixel size off by 5 % looks like a defocus off by 10 %, estimate these CTFs again"


def judge_contrasts(match: ImageMatch, particles: ParticleSet) -> Iterator[Finding]:
    """Say how many images show the consensus inverted, and in which optics groups."""
    information = np.sqrt(np.maximum(match.quadratic.sum(axis=1), np.finfo(np.float64).tiny))
    is_inverted = match.linear.sum(axis=1) < -SURE * information
    n_inverted = int(np.count_nonzero(is_inverted))
    if n_inverted < max(FEWEST, NOTABLE * len(match)):
        return
    numbers = {
        particles.optics[group].number: None
        for group in np.unique(particles.optics_of_particle[is_inverted]).tolist()
    }
    named = ", ".join(map(str, list(numbers)[:MOST_NAMES]))
    named += f" and {len(numbers) - MOST_NAMES} more" if len(numbers) > MOST_NAMES else ""
    yield Finding(
        code=FindingCode.CONTRASTS_MIXED,
        severity=Severity.WARNING,
        text=(
            f"{n_inverted:,} images show the particle with inverted contrast, dark where the "
            f"others are bright (optics groups: {named}). Invert them, or leave them out; "
            "images of two programs may differ in their sign."
        ),
        figures={"n_images": n_inverted, "share": n_inverted / len(match), "threshold": NOTABLE},
    )


def judge_blanks(match: ImageMatch) -> Iterator[Finding]:
    """Say which images hold nothing, noise included, by their rows in the table."""
    # |Y|^2 from what was measured of Y and of its difference from the consensus.
    power = (match.power + 2 * match.linear - match.quadratic).sum(axis=1)
    n_coefficients = match.n_coefficients.sum(axis=1)
    rows = np.flatnonzero((n_coefficients > 0) & (power < BLANK_POWER * n_coefficients)) + 1
    if not len(rows):
        return
    named = ", ".join(map(str, rows[:MOST_NAMES].tolist()))
    more = f" and {len(rows) - MOST_NAMES:,} more" if len(rows) > MOST_NAMES else ""
    s, have, their = ("s", "have", "their") if len(rows) > 1 else ("", "has", "its")
    yield Finding(
        code=FindingCode.IMAGES_BLANK,
        severity=Severity.WARNING,
        text=(
            f"{len(rows):,} image{s} {have} no variance (row{s} {named}{more} of the table): all "
            f"pixels are alike and tell nothing, and {their} class is chance. Remove the row{s} "
            "from the table; such images come from a micrograph's rim or from a damaged stack."
        ),
        figures={
            "n_images": len(rows),
            "share": len(rows) / len(match),
            "first_row": int(rows[0]),
        },
    )


def _name(group: Sequence[Misfit], particles: ParticleSet) -> str:
    kind, numbers = group[0].kind, sorted(misfit.group for misfit in group)
    if kind == "set":
        return "all images, or many of them,"
    if kind == "optics group":
        groups = [particles.optics[k] for k in numbers]
        names = [f"{one.number} ({one.name})" if one.name else str(one.number) for one in groups]
    else:
        micrographs = particles.source.columns().micrographs
        names = [str(k + 1) if micrographs is None else micrographs.texts[k] for k in numbers]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMES])}{more}"
