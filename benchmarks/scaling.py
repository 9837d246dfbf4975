"""What do time and memory depend on, stage by stage?

One dependence at a time, the rest as in `STANDARD` and `DEPARTURES`: particles, box (at a fixed
pixel size, the images framed with noise), classes, radius of the focus sphere, threads. Every case
is classified in a process of its own, after an unmeasured one that compiles the kernels. One
simulated set is repeated up to the number of particles, which changes no cost: 100,000 particles
and more are repetitions of some hundred images, poses and statistics, not data. Cycles do not stop
early, and the figure of a cycle is the median of the last ones.

Usage: ``python benchmarks/scaling.py [particles box classes radius threads]
[--particles 10000 100000 ...] [--box ...] [--classes ...] [--radius ...] [--threads ...]
[-o benchmarks/results/scaling.md]``. Without options the standard values of all five (an hour).
What was measured is kept in scaling.csv beside the table; a dependence measured anew replaces the
one there.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.ticker import LogLocator
from numpy.typing import DTypeLike
from stage_watch import BEFORE_A_RUN, StageWatch
from synthetic import SimulatedSet, describe_here

from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.report.drawing.style import CLASS_COLOURS, MARKERS
from cryofocus.report.figures.style import drawing, new_figure, write_png
from cryofocus.workflows.machine.hardware import memory_bound_gb, peak_memory_gb
from cryofocus.workflows.machine.progress_monitor import ProgressMonitor

PIXEL_SIZE, RESOLUTION_ANGSTROM = 5.24, 14.0
SEED_PARTICLES, CYCLES = 500, 5
WARM_PARTICLES, WARM_BOX = 200, 32
STAGES = ("consensus", "statistics", BEFORE_A_RUN, "a cycle", "class maps")


@dataclass(frozen=True)
class Case:
    """What is varied."""

    particles: int = 10_000
    box: int = 80
    classes: int = 4
    radius: float = 60.0
    threads: int = available_threads()


STANDARD = Case()
VALUES: dict[str, tuple[float, ...]] = {
    "particles": (10_000, 100_000, 1_000_000),
    "box": (80, 128, 256, 512),
    "classes": (2, 4, 8, 16, 32),
    "radius": (30, 45, 60, 90, 120),
    "threads": tuple(sorted({1, available_threads()})),
}
# A million particles should fit into memory and an hour; a box of 512 takes forty times as long to
# transform as one of 80.
DEPARTURES: dict[str, dict[str, float]] = {
    "particles": {"classes": 2, "radius": 45.0},
    "box": {"particles": 1000},
}
AXES = {
    "particles": "particles",
    "box": "box, pixels",
    "classes": "classes",
    "radius": "radius of the sphere, Å",
    "threads": "threads",
}


@dataclass(frozen=True)
class Row:
    """What one case took: wall seconds by stage and memory in GB."""

    dependence: str
    value: float
    particles: int
    box: int
    classes: int
    radius: float
    threads: int
    seconds: dict[str, float]
    program_gb: float
    statistics_gb: float
    peaks_gb: dict[str, float]
    where: str

    def cells(self) -> dict[str, str]:
        """Return the row as the table of figures keeps it."""
        plain = {name: str(value) for name, value in asdict(self).items()}
        plain["value"] = f"{self.value:g}"
        plain["seconds"] = " ".join(f"{self.seconds[name]:.4f}" for name in STAGES)
        plain["peaks_gb"] = " ".join(f"{self.peaks_gb[name]:.3f}" for name in STAGES)
        return plain

    @classmethod
    def of_cells(cls, cells: dict[str, str]) -> Row:
        """Return the row that `cells` wrote."""
        series = {
            name: dict(zip(STAGES, map(float, cells[name].split()), strict=True))
            for name in ("seconds", "peaks_gb")
        }
        numbers = {name: float(cells[name]) for name in ("value", "radius")}
        numbers |= {name: float(cells[name]) for name in ("program_gb", "statistics_gb")}
        counts = {name: int(cells[name]) for name in ("particles", "box", "classes", "threads")}
        texts = {name: cells[name] for name in ("dependence", "where")}
        return cls(**texts, **counts, **numbers, **series)


def measure(folder: Path, dependence: str, case: Case, where: str) -> Row:
    """Classify one case in this process, which does nothing else."""
    # In a small box, so that the memory it takes is less than what is measured.
    _classify(SimulatedSet(folder / "small"), Case(WARM_PARTICLES, WARM_BOX, 2), np.empty)
    n_bytes = 0

    def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        nonlocal n_bytes
        array = np.empty(shape, dtype)
        n_bytes += array.nbytes
        return array

    before = peak_memory_gb()
    stages = _classify(SimulatedSet(folder / "set"), case, allocate).by_stage()
    stages["a cycle"] = stages["cycles"]
    seconds = {name: stages[name].seconds for name in STAGES}
    seconds["a cycle"] = median(stages["cycles"].steps[-CYCLES:])
    return Row(
        dependence=dependence,
        value=getattr(case, dependence),
        **asdict(case),
        seconds=seconds,
        program_gb=before,
        statistics_gb=n_bytes / 1e9,
        peaks_gb={name: stages[name].peak_gb for name in STAGES},
        where=where,
    )


def _classify(data: SimulatedSet, case: Case, allocate: object) -> StageWatch:
    """Classify and return what was seen."""
    particles, reader, mask = data.enlarge(case.particles, case.box, case.radius)
    settings = ClassifierSettings(
        n_classes=case.classes,
        n_runs=1,
        max_cycles=CYCLES,
        # So small that no run converges before its cycles are measured.
        tolerance=1e-12,
        max_resolution_angstrom=max(RESOLUTION_ANGSTROM, 2.1 * particles.pixel_size_angstrom),
    )
    watch = StageWatch()
    kernels = select_kernels("cpu", case.threads, memory_gb=memory_bound_gb(None))
    classifier = FocusedClassifier(settings, kernels, case.threads)
    monitor = ProgressMonitor(watch)
    classifier.fit(particles, reader, mask, monitor=monitor, allocate=allocate)
    return watch


def measure_alone(folder: Path, dependence: str, value: float, where: str) -> Row:
    """Measure one case in a new process."""
    number = float(value) if dependence == "radius" else int(value)
    case = replace(STANDARD, **DEPARTURES.get(dependence, {}), **{dependence: number})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        row = pool.submit(measure, folder, dependence, case, where).result()
    print(line(row), flush=True)
    return row


def line(row: Row) -> str:
    """Return one row of a table."""
    cells = [f"{row.value:,g}", *(f"{row.seconds[name]:.3g}" for name in STAGES)]
    cells += [f"{row.program_gb:.2f}", f"{row.statistics_gb:.3f}"]
    cells += [f"{row.peaks_gb[name]:.2f}" for name in STAGES]
    return f"| {' | '.join(cells)} |"


def table(dependence: str, rows: list[Row]) -> str:
    """Return the table of one dependence."""
    first = rows[0]
    fixed = {
        "particles": f"{first.particles:,} particles",
        "box": f"box {first.box}",
        "classes": f"{first.classes} classes",
        "radius": f"sphere of {first.radius:g} Å",
        "threads": f"{first.threads} threads",
    }
    del fixed[dependence]
    head = [AXES[dependence], *(f"{name}, s" for name in STAGES), "program, GB", "statistics, GB"]
    head += [f"{name}, GB" for name in STAGES]
    return "\n".join(
        [
            f"## Against {AXES[dependence].partition(',')[0]}",
            f"\nFixed: {', '.join(fixed.values())}. {first.where}\n",
            f"| {' | '.join(head)} |",
            "| --- " * len(head) + "|",
            *(line(row) for row in rows),
        ]
    )


def draw(measured: dict[str, list[Row]], path: Path) -> None:
    """Draw seconds (above) and peak memory (below) against every dependence."""
    with drawing():
        figure = new_figure(5.6, gap=0.06)
        panels = figure.subplots(2, len(measured), squeeze=False)
        for column, (dependence, rows) in enumerate(measured.items()):
            values = [row.value for row in rows]
            above, below = panels[:, column]
            for name, colour, marker in zip(STAGES, CLASS_COLOURS, MARKERS, strict=False):
                look = {"color": colour, "marker": marker, "markersize": 4, "label": name}
                above.plot(values, [row.seconds[name] for row in rows], **look)
            last = [row.peaks_gb[STAGES[-1]] for row in rows]
            below.plot(values, last, "o-", color=CLASS_COLOURS[0], markersize=4, label="peak")
            held = [row.statistics_gb for row in rows]
            below.plot(
                values, held, "s-", color=CLASS_COLOURS[1], markersize=4, label="statistics"
            )
            for axes in (above, below):
                axes.set(xscale="log", yscale="log")
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
                axes.set_xticks(values, [f"{value:,g}" for value in values], fontsize=7)
            below.set_xlabel(AXES[dependence])
        panels[0, 0].set_ylabel("seconds")
        panels[1, 0].set_ylabel("memory, GB")
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5
        )
        panels[1, 0].legend(fontsize=7)
        write_png(path, figure, dots_per_inch=120)


def read_rows(path: Path) -> list[Row]:
    """Return what was measured before."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Row.of_cells(cells) for cells in csv.DictReader(file)]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Keep what was measured."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells() for row in rows)


def main() -> None:
    """Measure the dependences asked for and write table, figures and figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("dependences", nargs="*", metavar="DEPENDENCE", choices=[[], *VALUES])
    for name, values in VALUES.items():
        options.add_argument(f"--{name}", type=float, nargs="+", default=values)
    default = Path(__file__).parent / "results" / "scaling.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    where = describe_here(time.strftime("%Y-%m-%d"))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    kept = given.output.with_suffix(".csv")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        SimulatedSet.make(folder / "set", SEED_PARTICLES, STANDARD.box, PIXEL_SIZE)
        extent = STANDARD.box * PIXEL_SIZE
        SimulatedSet.make(folder / "small", WARM_PARTICLES, WARM_BOX, extent / WARM_BOX)
        for dependence in given.dependences or VALUES:
            print(dependence, flush=True)
            rows = [row for row in read_rows(kept) if row.dependence != dependence]
            for value in getattr(given, dependence):
                rows.append(measure_alone(folder, dependence, value, where))
                write_rows(kept, rows)
    everything = read_rows(kept)
    measured = {name: [row for row in everything if row.dependence == name] for name in VALUES}
    measured = {name: rows for name, rows in measured.items() if rows}
    draw(measured, given.output.with_suffix(".png"))
    parts = [
        "# What time and memory depend on",
        f"{PIXEL_SIZE:g} Å per pixel, resolution limit {RESOLUTION_ANGSTROM:g} Å. Memory is the "
        "peak of the process by the end of a stage; `program` is the memory before the "
        "classification begins. Particles are repetitions of one simulated set of "
        f"{SEED_PARTICLES}, which cost the same as other particles.",
        f"![Seconds and memory]({given.output.with_suffix('.png').name})",
        *(table(name, rows) for name, rows in measured.items()),
    ]
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
