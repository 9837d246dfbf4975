"""Images whose CTF, pixel size or contrast cannot be right, named as the table names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfit import LEAST_GAIN, Misfit
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.run.job import Finding, FindingCode, Severity

# More names than these do not fit a sentence.
MOST_NAMES = 5
# An image shows the consensus with the contrast of its negative by so many standard errors; of
# images of nothing, three in 100,000 do. So many of the particles, and no fewer, are a finding.
SURE, NOTABLE, FEWEST = 4.0, 0.001, 5


def judge_misfits(misfits: Sequence[Misfit], particles: ParticleSet) -> Iterator[Finding]:
    """Say in one finding which groups fit the consensus better with other numbers."""
    if not misfits:
        return
    alike: defaultdict[tuple[str, str, float], list[Misfit]] = defaultdict(list)
    for misfit in misfits:
        alike[misfit.kind, misfit.fault, misfit.factor].append(misfit)
    is_inverted = any(factor < 0 for _, _, factor in alike)
    hint = "; -1 times the defocus: their contrast may be inverted" if is_inverted else ""
    said = "; ".join(
        f"{_name(group, particles)} with {factor:g} times the {fault} of the table"
        for (_, fault, factor), group in alike.items()
    )
    yield Finding(
        code=FindingCode.GROUPS_MISFIT,
        severity=Severity.WARNING,
        text=(
            f"CTF or pixel size cannot be right; images fit far better: {said} (factors are "
            f"rough; a pixel size off by 5 % looks like a defocus off by 10 %{hint}). Estimate "
            "these CTFs again or correct the table, or classify without these images."
        ),
        figures={
            "n_groups": len(misfits),
            "factor": misfits[0].factor,
            "gain": misfits[0].gain,
            "threshold": LEAST_GAIN,
        },
    )


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
            f"others are bright (optics groups: {named}). Invert them, or classify without them; "
            "images of two programs may differ in their sign."
        ),
        figures={"n_images": n_inverted, "share": n_inverted / len(match), "threshold": NOTABLE},
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
