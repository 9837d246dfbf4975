"""What `covary` found, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryofocus.formatting import format_count, format_percent, format_table
from cryofocus.workflows.covary.record import UNDETERMINED, CovaryRecord, Matrix, UnitLevel


def summarise(record: CovaryRecord) -> str:
    """Say every correlation matrix, and the coupling of units."""
    return "\n".join(_lines(record))


def _lines(record: CovaryRecord) -> Iterator[str]:
    if (classes := record.class_level) is not None:
        yield f"Over {classes.n_points} classes of {sum(classes.counts)} runs"
        yield _set_matrix(record.regions, classes.correlation)
    if (particles := record.particle_level) is not None:
        yield f"Over {format_count(particles.n_particles)} particles, noise removed"
        yield _set_matrix(record.regions, particles.correlation)
        for found in particles.conditional:
            share = format_percent(found.share, 1)
            yield f"Given {found.region} {found.state}: {share} of the particles"
            yield _set_matrix(found.others, found.correlation)
    yield from map(_say_units, record.unit_level)


def _say_units(entry: UnitLevel) -> str:
    angle = "" if entry.angle_degrees is None else f", {entry.angle_degrees:.0f}° apart"
    return (
        f"Units{angle}: coupling {entry.coupling:.3f} ± {entry.coupling_error:.3f}, "
        f"p {entry.p_value:.2g}  ({entry.run})"
    )


def _set_matrix(names: Sequence[str], matrix: Matrix) -> str:
    rows = [
        (name, *(UNDETERMINED if value is None else f"{value:.3f}" for value in row))
        for name, row in zip(names, matrix, strict=True)
    ]
    return format_table(["", *names], rows)
