"""The page of `covary`: which regions vary, which vary together, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryofocus.formatting import format_angstrom, format_count
from cryofocus.report.analyses import covary_figures
from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import environment
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.record import CovaryRecord, Matrix, UnitLevel
from cryofocus.workflows.run.writing import write_text

DOTS_PER_INCH = 150
SIGNIFICANT_P = 0.01


@dataclass(frozen=True)
class RegionRow:
    """One region: how much it varies over classes and over particles."""

    name: str
    file: str
    class_range: str
    class_verdict: str
    particle_spread: str
    noise: str
    particle_verdict: str


@dataclass(frozen=True)
class PairRow:
    """One pair of regions at both levels."""

    names: str
    classes: str
    particles: str
    p_value: str
    null: str


@dataclass(frozen=True)
class UnitRow:
    """One way in which units lie to each other."""

    run: str
    relation: str
    n_pairs: str
    coupling: str
    information: str
    p_value: str


def write_covary_report(folder: Path | str) -> Path:
    """Write report.html and the picture of the matrices into a directory of covary.

    Raises:
        FormatError: When the directory holds no results of covary.
        OutputError: Disk full, no permission.
    """
    folder = Path(folder)
    record = CovaryRecord.read(folder / files.RECORD)
    write_text(folder / files.REPORT, render_page(record, folder))
    with style.drawing():
        figure = covary_figures.draw_matrices(record)
        style.write_png(folder / files.FIGURE, figure, DOTS_PER_INCH)
    return folder / files.REPORT


def render_page(record: CovaryRecord, folder: Path) -> str:
    """Compose the page; every text from outside is escaped."""
    with style.drawing():
        figures = {"matrices": style.as_svg(covary_figures.draw_matrices(record))}
        if record.class_level is not None:
            figures["masses"] = style.as_svg(
                covary_figures.draw_masses(record.regions, record.class_level)
            )
        if record.unit_level:
            figures["units"] = style.as_svg(covary_figures.draw_units(record.unit_level))
    return (
        environment()
        .get_template("covary.html.jinja")
        .render(
            record=record,
            title=folder.resolve().name,
            place=str(folder.resolve()),
            headline=headline(record),
            verdict=verdict(record),
            regions=region_rows(record),
            pairs=pair_rows(record),
            units=[_unit_row(entry) for entry in record.unit_level],
            figures=figures,
            facts=_facts(record),
            files=[
                (name, why) for name, why in files.PURPOSES.items() if (folder / name).is_file()
            ],
        )
    )


def headline(record: CovaryRecord) -> str:
    """Say in a line how many pairs of regions vary together."""
    together = coupled_pairs(record)
    if not together:
        return "No regions were found to vary together"
    return f"{len(together)} pair{'s' if len(together) > 1 else ''} of regions var" + (
        "y together" if len(together) > 1 else "ies together"
    )


def verdict(record: CovaryRecord) -> str:
    """Name the pairs, and the regions of which nothing can be said."""
    together = [
        f"{record.regions[i]} and {record.regions[j]} ({value:+.2f})"
        for i, j, value in coupled_pairs(record)
    ]
    sentences = [f"{'; '.join(together)}."] if together else []
    constant = [
        name for name, varies in zip(record.regions, _varies(record), strict=True) if not varies
    ]
    if constant:
        sentences.append(
            f"Undetermined, because they do not vary beyond their errors: {', '.join(constant)}."
        )
    return " ".join(sentences) or "All regions vary, each by itself."


def coupled_pairs(record: CovaryRecord) -> list[tuple[int, int, float]]:
    """List pairs whose correlation is sure: over particles by p-value, else by the interval."""
    n, found = len(record.regions), []
    for i in range(n):
        for j in range(i + 1, n):
            if (level := record.particle_level) is not None:
                value, p_value = level.correlation[i][j], level.p_values[i][j]
                is_sure = p_value is not None and p_value < SIGNIFICANT_P
            elif record.class_level is not None:
                value, low, high = (
                    matrix[i][j]
                    for matrix in (
                        record.class_level.correlation,
                        record.class_level.low,
                        record.class_level.high,
                    )
                )
                is_sure = low is not None and high is not None and low * high > 0
            if value is not None and is_sure:
                found.append((i, j, value))
    return found


def region_rows(record: CovaryRecord) -> list[RegionRow]:
    """Build the table of regions."""
    classes, particles = record.class_level, record.particle_level
    return [
        RegionRow(
            name=name,
            file=file,
            class_range="–"
            if classes is None
            else _plus_minus(classes.spread[i], classes.error[i]),
            class_verdict="–" if classes is None else _say_varies(varies=classes.varies[i]),
            particle_spread="–"
            if particles is None
            else _plus_minus(particles.spread[i], particles.spread_error[i]),
            noise="–" if particles is None else _number(particles.noise_spread[i]),
            particle_verdict="–" if particles is None else _say_varies(varies=particles.varies[i]),
        )
        for i, (name, file) in enumerate(zip(record.regions, record.region_files, strict=True))
    ]


def pair_rows(record: CovaryRecord) -> list[PairRow]:
    """Build the table of pairs."""
    classes, particles, n = record.class_level, record.particle_level, len(record.regions)
    return [
        PairRow(
            names=f"{record.regions[i]} – {record.regions[j]}",
            classes="–"
            if classes is None
            else _interval(classes.correlation, classes.low, classes.high, (i, j)),
            particles="–"
            if particles is None
            else _interval(particles.correlation, particles.low, particles.high, (i, j)),
            # Where nothing varies a small p-value would say something else: that errors do.
            p_value="–"
            if particles is None or particles.correlation[i][j] is None
            else _p_value(particles.p_values[i][j]),
            null="–" if particles is None else _number(particles.null[i][j]),
        )
        for i in range(n)
        for j in range(i + 1, n)
    ]


def _unit_row(entry: UnitLevel) -> UnitRow:
    relation = f"units {entry.units[0][0]} and {entry.units[0][1]}"
    if entry.angle_degrees is not None and entry.shift_angstrom is not None:
        shift = f", {entry.shift_angstrom:.0f} Å" if entry.shift_angstrom > 1 else ""
        relation = f"{entry.angle_degrees:.0f}° apart{shift} ({relation}, ...)"
    return UnitRow(
        run=entry.run,
        relation=relation,
        n_pairs=format_count(entry.n_pairs),
        coupling=_plus_minus(entry.coupling, entry.coupling_error),
        information=f"{entry.information_bits:.3f}",
        p_value=_p_value(entry.adjusted_p_value),
    )


def _varies(record: CovaryRecord) -> tuple[bool, ...]:
    level = record.particle_level or record.class_level
    return (True,) * len(record.regions) if level is None else level.varies


def _facts(record: CovaryRecord) -> list[tuple[str, str]]:
    facts = [("Compared", ", ".join(record.sources))]
    if (classes := record.class_level) is not None:
        facts.append(("Classes", f"{classes.n_points}, matched to {classes.n_states} states"))
        facts.append(("Masses", f"as fractions of those in {classes.unit}"))
    if (particles := record.particle_level) is not None:
        facts.append(("Particles", format_count(particles.n_particles)))
        facts.append(("Detail used", f"to {format_angstrom(particles.resolution_angstrom)}"))
        facts.append(("Permutations", format_count(particles.n_permutations)))
    return [*facts, ("Software", f"cryofocus {record.version}")]


def _say_varies(*, varies: bool) -> str:
    return "varies" if varies else files.UNDETERMINED


def _number(value: float | None) -> str:
    return files.UNDETERMINED if value is None else f"{value:.2f}"


def _plus_minus(value: float | None, error: float | None) -> str:
    return _number(value) + ("" if error is None else f" ± {error:.2f}")


def _interval(correlation: Matrix, low: Matrix, high: Matrix, pair: Sequence[int]) -> str:
    i, j = pair
    bounds = (low[i][j], high[i][j])
    if correlation[i][j] is None or None in bounds:
        return _number(correlation[i][j])
    return f"{correlation[i][j]:.2f}  ({bounds[0]:.2f} to {bounds[1]:.2f})"


def _p_value(value: float | None) -> str:
    return files.UNDETERMINED if value is None else f"{value:.2g}"
