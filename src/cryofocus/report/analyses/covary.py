"""The page of `covary`: which regions vary, which vary together, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations, compress
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.covariance.classes import FEWEST_STATES
from cryofocus.data.atomic import final_name
from cryofocus.formatting import format_angstrom, format_count
from cryofocus.report.analyses.conditional import describe_answer
from cryofocus.report.analyses.joint_states import draw_path, joint_rows
from cryofocus.report.analyses.page import list_files
from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import environment, script_policy
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.record import (
    ClassLevel,
    CovaryRecord,
    JointLevel,
    Matrix,
    ParticleLevel,
    UnitLevel,
)
from cryofocus.workflows.run.writing import write_text

SIGNIFICANT_P = 0.01
MATRIX_HEIGHT_INCHES, MASS_HEIGHT_INCHES, UNIT_HEIGHT_INCHES = 4.6, 3.4, 3.2
# Written into the fields of a matrix up to this size.
MAX_WRITTEN = 12
MOST_UNITS = 6

Cells = tuple[str, ...]


def write_covary_report(folder: Path | str) -> Path:
    """Write report.html and the picture of the matrices into a directory of covary.

    Raises:
        FormatError: When the directory holds no results of covary.
        OutputError: Disk full, no permission.
    """
    folder = Path(folder)
    record = CovaryRecord.read(folder / files.RECORD)
    write_text(folder / files.REPORT, render_page(record, folder))
    style.write_figures(folder, {files.FIGURE: partial(draw_matrices, record)})
    return folder / files.REPORT


def render_page(record: CovaryRecord, folder: Path) -> str:
    """Compose the page; every text from outside is escaped."""
    with style.drawing():
        figures = {"matrices": style.as_svg(draw_matrices(record))}
        if record.class_level is not None:
            figures["masses"] = style.as_svg(draw_masses(record.regions, record.class_level))
        if (joint := _joint(record)) is not None and joint.path:
            figures["path"] = style.as_svg(draw_path(joint))
        if record.unit_level:
            figures["units"] = style.as_svg(draw_units(record.unit_level))
    page, place = environment().get_template("covary.html.jinja"), final_name(folder.resolve())
    return page.render(
        record=record,
        version=record.version,
        is_none=not coupled_pairs(record),
        scripts=(),
        script_policy=script_policy(()),
        title=place.name,
        place=str(place),
        headline=headline(record),
        verdict=verdict(record),
        regions=region_rows(record),
        pairs=pair_rows(record),
        answers=[
            describe_answer(found)
            for found in (record.particle_level.conditional if record.particle_level else ())
        ],
        states=[] if joint is None else joint_rows(joint),
        units=[_unit_row(entry) for entry in record.unit_level],
        figures=figures,
        facts=_facts(record),
        files=list_files(folder, tuple(files.PURPOSES.items())),
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
    if (joint := _joint(record)) is not None:
        steps = [f"{later} occurs only with {earlier}" for earlier, later in joint.path]
        if steps:
            sentences.append(f"Assembly: {'; '.join(steps)}.")
    level = record.class_level
    if record.particle_level is None and level is not None and level.n_states < FEWEST_STATES:
        sentences.append(
            f"The classes are {level.n_states} different ones: too few to correlate regions over."
        )
    return " ".join(sentences) or "All regions vary independently."


def _joint(record: CovaryRecord) -> JointLevel | None:
    return None if record.particle_level is None else record.particle_level.joint


def coupled_pairs(record: CovaryRecord) -> list[tuple[int, int, float]]:
    """List pairs whose correlation is sure: over particles by p-value, else by the interval."""
    found = []
    for i, j in combinations(range(len(record.regions)), 2):
        if (level := record.particle_level) is not None:
            value, p_value = level.correlation[i][j], level.p_values[i][j]
            is_sure = p_value is not None and p_value < SIGNIFICANT_P
        elif (classes := record.class_level) is not None:
            value, low, high = classes.correlation[i][j], classes.low[i][j], classes.high[i][j]
            is_sure = low is not None and high is not None and low * high > 0
        if value is not None and is_sure:
            found.append((i, j, value))
    return found


def region_rows(record: CovaryRecord) -> list[tuple[str, Cells, Cells, str]]:
    """Build the table of regions: name, cells over classes and over particles, file."""
    rows = []
    for i, (name, file) in enumerate(zip(record.regions, record.region_files, strict=True)):
        of_classes: Cells = ()
        if (level := record.class_level) is not None:
            extent = _plus_minus(level.spread[i], level.error[i])
            of_classes = (extent, _say_varies(varies=level.varies[i]))
        of_particles: Cells = ()
        if (particles := record.particle_level) is not None:
            spread = _plus_minus(particles.spread[i], particles.spread_error[i])
            noise = _number(particles.noise_spread[i])
            of_particles = (spread, noise, _say_varies(varies=particles.varies[i]))
        rows.append((name, of_classes, of_particles, file))
    return rows


def pair_rows(record: CovaryRecord) -> list[tuple[str, Cells]]:
    """Build the table of pairs: their names, and cells over classes and over particles."""
    rows = []
    for i, j in combinations(range(len(record.regions)), 2):
        cells = []
        if record.class_level is not None:
            cells.append(_interval(record.class_level, i, j))
        if (level := record.particle_level) is not None:
            # Where nothing varies a small p-value would say something else: that errors do.
            varies = level.correlation[i][j] is not None
            p_value = _p_value(level.p_values[i][j]) if varies else "–"
            cells += [_interval(level, i, j), p_value, _number(level.null[i][j])]
        rows.append((f"{record.regions[i]} – {record.regions[j]}", tuple(cells)))
    return rows


def _unit_row(entry: UnitLevel) -> tuple[str, Cells, str]:
    """Say a way in which units lie to each other, how they are coupled, and in which run."""
    relation = f"units {entry.units[0][0]} and {entry.units[0][1]}"
    if entry.angle_degrees is not None and entry.shift_angstrom is not None:
        shift = f", {entry.shift_angstrom:.0f} Å" if entry.shift_angstrom > 1 else ""
        relation = f"{entry.angle_degrees:.0f}° apart{shift} ({relation}, ...)"
    coupling = _plus_minus(entry.coupling, entry.coupling_error)
    sure = (f"{entry.information_bits:.3f}", _p_value(entry.adjusted_p_value))
    return relation, (format_count(entry.n_pairs), coupling, *sure), entry.run


def _varies(record: CovaryRecord) -> tuple[bool, ...]:
    level = record.particle_level or record.class_level
    return (True,) * len(record.regions) if level is None else level.varies


def _facts(record: CovaryRecord) -> list[tuple[str, str]]:
    facts = [("Compared", ", ".join(record.sources))]
    if (classes := record.class_level) is not None:
        if not all(classes.counts):
            copies = ", ".join(compress(classes.runs, [not counts for counts in classes.counts]))
            facts.append(("Not independent", f"{copies}: shown, but not counted"))
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


def _interval(level: ClassLevel | ParticleLevel, i: int, j: int) -> str:
    value, low, high = level.correlation[i][j], level.low[i][j], level.high[i][j]
    if value is None or low is None or high is None:
        return _number(value)
    return f"{value:.2f}  ({low:.2f} to {high:.2f})"


def _p_value(value: float | None) -> str:
    return files.UNDETERMINED if value is None else f"{value:.2g}"


def draw_matrices(record: CovaryRecord) -> Figure:
    """Draw the correlation matrices over classes and over particles side by side."""
    figure = style.new_figure(MATRIX_HEIGHT_INCHES, gap=0.06)
    levels = [
        (title, level.correlation)
        for title, level in (
            ("Over classes and runs", record.class_level),
            ("Over particles, noise removed", record.particle_level),
        )
        if level is not None
    ]
    panels = list(figure.subplots(1, 2, squeeze=False)[0])
    _show(figure, panels, [as_array(matrix) for _, matrix in levels], 1.0, "correlation")
    for panel, (title, matrix) in zip(panels, levels, strict=False):
        _dress(panel, record.regions, title)
        _write_fields(panel, as_array(matrix), "?")
    return figure


def draw_masses(names: Sequence[str], level: ClassLevel) -> Figure:
    """Draw the mass of every region in every class map, one colour per run."""
    figure = style.new_figure(MASS_HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot()
    masses, errors = as_array(level.masses), as_array(level.errors)
    run = np.array([row[0] for row in level.class_of_row])
    for number, name in enumerate(level.runs):
        rows = np.flatnonzero(run == number)
        offset = (number - (len(level.runs) - 1) / 2) * 0.6 / len(level.runs)
        for count, row in enumerate(rows):
            panel.errorbar(
                np.arange(len(names)) + offset,
                masses[row],
                yerr=errors[row],
                fmt="o",
                markersize=5,
                color=style.class_colour(number + 1),
                label=name if count == 0 else None,
            )
    panel.set_xticks(range(len(names)), list(names))
    whole = "consensus" if level.unit == "the consensus" else "perfect map"
    panel.set(ylabel=f"mass / mass in {whole}", title="Regions in each class map")
    panel.axhline(0.0, color=style.MUTED, linewidth=1.0)
    figure.legend(loc="outside right upper", title="run")
    return figure


def draw_units(levels: Sequence[UnitLevel]) -> Figure:
    """Draw how much more often than by chance units have each combination of classes."""
    shown = levels[:MOST_UNITS]
    rows = -(-len(shown) // 3)
    figure = style.new_figure(UNIT_HEIGHT_INCHES * rows, gap=0.08)
    panels = list(figure.subplots(rows, 3, squeeze=False).ravel())
    excesses = [as_array(level.joint) - as_array(level.expected) for level in shown]
    _show(figure, panels, excesses, 0.25, "observed - expected")
    for panel, level, excess in zip(panels, shown, excesses, strict=False):
        angle = "" if level.angle_degrees is None else f"{level.angle_degrees:.0f}° apart, "
        title = f"{angle}coupling {level.coupling:.2f}"
        _dress(panel, [str(k + 1) for k in range(len(excess))], title)
        panel.set(xlabel="class of one unit", ylabel="of the other")
        _write_fields(panel, excess, "")
    return figure


def as_array(matrix: Matrix) -> Float64[np.ndarray, "rows columns"]:
    """Return a matrix of the record as an array; NaN for what is undetermined."""
    return np.array([[np.nan if v is None else v for v in row] for row in matrix], np.float64)


def _show(
    figure: Figure,
    panels: Sequence[Axes],
    matrices: Sequence[Float64[np.ndarray, "rows columns"]],
    end: float,
    label: str,
) -> None:
    """Draw matrices in one scale from minus to plus `end`; leave the other panels empty."""
    used = list(panels[: len(matrices)])
    for panel in panels[len(used) :]:
        panel.set_axis_off()
    for panel, matrix in zip(used, matrices, strict=True):
        image = panel.imshow(matrix, cmap="RdBu_r", vmin=-end, vmax=end)
    if used:
        figure.colorbar(image, ax=used, shrink=0.8, label=label)


def _dress(panel: Axes, names: Sequence[str], title: str) -> None:
    panel.set_title(title)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_facecolor(style.RULE)
    tilt = 0 if max(map(len, names)) <= 4 else 35
    panel.set_xticks(
        range(len(names)), list(names), rotation=tilt, ha="right" if tilt else "center"
    )
    panel.set_yticks(range(len(names)), list(names))


def _write_fields(panel: Axes, matrix: Float64[np.ndarray, "n n"], nothing: str) -> None:
    if len(matrix) > MAX_WRITTEN:
        return
    largest = float(np.nanmax(np.abs(matrix), initial=1e-9))
    for (row, column), value in np.ndenumerate(matrix):
        text = f"{value:.2f}" if np.isfinite(value) else nothing
        colour = "white" if np.isfinite(value) and abs(value) > 0.6 * largest else style.INK
        panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
