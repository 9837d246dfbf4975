"""The page of `covary`: which regions vary, which vary together, and how sure that is."""

from __future__ import annotations

from itertools import combinations, compress
from pathlib import Path

from cryofocus.covariance.classes import FEWEST_STATES
from cryofocus.covariance.particles import SMALLEST_SPREAD
from cryofocus.data.atomic import final_name
from cryofocus.formatting import format_angstrom, format_count, format_number
from cryofocus.report.analyses.conditional import describe_answer
from cryofocus.report.analyses.covary_charts import chart_masses, chart_matrices, chart_units
from cryofocus.report.analyses.joint_states import draw_path, joint_rows
from cryofocus.report.analyses.page import ChartRow, list_files
from cryofocus.report.drawing.chart import chart_scripts
from cryofocus.report.drawing.section import environment, script_policy
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.coupling import Pair, coupled_pairs, is_doubtful, name_pairs
from cryofocus.workflows.covary.record import (
    ClassLevel,
    CovaryRecord,
    JointLevel,
    ParticleLevel,
    UnitLevel,
)
from cryofocus.workflows.run.writing import write_text

Cells = tuple[str, ...]
# Of errors; a smaller one would be written as none.
SMALLEST_OF_TWO_DECIMALS = 0.005
EXCESS = (
    "Share of the pairs whose units have these two classes, less the share expected by chance."
)


def write_covary_report(folder: Path | str) -> Path:
    """Write report.html into a directory of covary.

    Raises:
        FormatError: When the directory holds no results of covary.
        OutputError: Disk full, no permission.
    """
    folder = Path(folder)
    record = CovaryRecord.read(folder / files.RECORD)
    write_text(folder / files.REPORT, render_page(record, folder))
    return folder / files.REPORT


def render_page(record: CovaryRecord, folder: Path) -> str:
    """Compose the page; every text from outside is escaped."""
    path, classes = "", record.class_level
    if (joint := _joint(record)) is not None and joint.path:
        path = draw_path(joint).address()
    scripts = chart_scripts()
    page, place = environment().get_template("covary.html.jinja"), final_name(folder.resolve())
    return page.render(
        record=record,
        version=record.version,
        is_none=not _sort_pairs(record)[0],
        scripts=scripts,
        script_policy=script_policy(scripts),
        title=place.name,
        place=str(place),
        headline=headline(record),
        verdict=verdict(record),
        regions=region_rows(record),
        smallest_spread=format_number(SMALLEST_SPREAD),
        pairs=pair_rows(record),
        answers=[
            describe_answer(found)
            for found in (record.particle_level.conditional if record.particle_level else ())
        ],
        states=[] if joint is None else joint_rows(joint),
        units=[_unit_row(entry) for entry in record.unit_level],
        matrices=ChartRow(chart_matrices(record)),
        masses=None if classes is None else ChartRow((chart_masses(record.regions, classes),)),
        excesses=ChartRow(chart_units(record.unit_level), EXCESS),
        path=path,
        steps="; ".join(_steps(joint)),
        facts=_facts(record),
        files=list_files(folder, tuple(files.PURPOSES.items())),
    )


def headline(record: CovaryRecord) -> str:
    """Say in a line how many pairs of regions vary together, and how many may only seem to."""
    together, doubtful = _sort_pairs(record)
    if together:
        are_several = len(together) > 1
        return (
            f"{len(together)} pair{'s' if are_several else ''} of regions "
            f"var{'y' if are_several else 'ies'} together"
            + (f", {len(doubtful)} more perhaps" if doubtful else "")
        )
    if doubtful:
        return "Regions vary together weakly, if at all"
    return "No regions were found to vary together"


def verdict(record: CovaryRecord) -> str:
    """Name the pairs, and the regions of which nothing can be said."""
    together, doubtful = _sort_pairs(record)
    sentences = [f"{name_pairs(record, together)}."] if together else []
    if doubtful:
        sentences.append(
            "Weak and negative, as the dark surroundings of a neighbour alone make it: "
            f"{name_pairs(record, doubtful)}."
        )
    constant = [
        name for name, varies in zip(record.regions, _varies(record), strict=True) if not varies
    ]
    if constant:
        sentences.append(
            "Undetermined, because what they hold hardly varies: "
            f"{', '.join(constant)}. A part that moves inside its region holds as much as before: "
            "give each of its places a region."
        )
    if steps := _steps(_joint(record)):
        sentences.append(f"Assembly: {'; '.join(steps)}.")
    level = record.class_level
    if record.particle_level is None and level is not None and level.n_states < FEWEST_STATES:
        sentences.append(
            f"The classes are {level.n_states} different ones: too few to correlate regions over."
        )
    return " ".join(sentences) or "All regions vary independently."


def _sort_pairs(record: CovaryRecord) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that vary together, and those that dark surroundings could explain."""
    pairs = coupled_pairs(record)
    doubtful = [pair for pair in pairs if is_doubtful(pair)]
    return [pair for pair in pairs if pair not in doubtful], doubtful


def _joint(record: CovaryRecord) -> JointLevel | None:
    return None if record.particle_level is None else record.particle_level.joint


def _steps(joint: JointLevel | None) -> list[str]:
    """Say in words what the picture of the path shows."""
    path = () if joint is None else joint.path
    return [f"{later} occurs only with {earlier}" for earlier, later in path]


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
        rows.append((f"{record.regions[i]}\u00a0– {record.regions[j]}", tuple(cells)))
    return rows


def _unit_row(entry: UnitLevel) -> tuple[str, Cells, str]:
    """Say a way in which units lie to each other, how they are coupled, and in which run."""
    relation = f"units {entry.units[0][0]} and {entry.units[0][1]}"
    if entry.angle_degrees is not None and entry.shift_angstrom is not None:
        shift = f", {entry.shift_angstrom:.0f} Å" if entry.shift_angstrom > 1 else ""
        relation = f"{entry.angle_degrees:.0f}° apart{shift} ({relation}, ...)"
    coupling = _plus_minus(entry.coupling, entry.coupling_error)
    sure = (format_number(entry.information_bits, 3), _p_value(entry.adjusted_p_value))
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
        # Of a set that was expanded, every unit of a particle is one.
        counted = "Copies" if record.unit_level else "Particles"
        facts.append((counted, format_count(particles.n_particles)))
        facts.append(("Detail used", f"to {format_angstrom(particles.resolution_angstrom)}"))
        facts.append(("Permutations", format_count(particles.n_permutations)))
    return [*facts, ("Software", f"cryofocus {record.version}")]


def _say_varies(*, varies: bool) -> str:
    return "varies" if varies else files.UNDETERMINED


def _number(value: float | None) -> str:
    return files.UNDETERMINED if value is None else format_number(value)


def _plus_minus(value: float | None, error: float | None) -> str:
    if value is None or error is None:
        return _number(value)
    decimals = 2 if error >= SMALLEST_OF_TWO_DECIMALS else 3
    return f"{format_number(value, decimals)} ± {error:.{decimals}f}"


def _interval(level: ClassLevel | ParticleLevel, i: int, j: int) -> str:
    value, low, high = level.correlation[i][j], level.low[i][j], level.high[i][j]
    if value is None or low is None or high is None:
        return _number(value)
    return f"{format_number(value)}  ({format_number(low)} to {format_number(high)})"


def _p_value(value: float | None) -> str:
    return files.UNDETERMINED if value is None else f"{value:.2g}"
