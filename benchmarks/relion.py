"""How does kappa grow with CPU time, here and in RELION, on the same particles?

RELION: consensus from the true poses, its own subtraction of everything outside the focus sphere,
recentring and cropping to 40 pixels, 25 iterations of `relion_refine --skip_align` at tau2_fudge
4, with all steps counted. cryofocus: one run of `classify` with default settings, from the start
of the process to the finished run directory. Simulated sets of 10,000 particles of box 80 at SNR
0.025: scenario 1 (K = 2) and scenario 2 (K = 4). CPU time is user and system time of all threads.
A course has settled when kappa stays within 0.005 of where it ends.

Usage: ``python benchmarks/relion.py --keep FOLDER [--sets SET1 SET2] [--threads 1] [--repeats 3]
[-o benchmarks/results/relion.md]``. FOLDER keeps the simulated sets and what RELION took (some 15
minutes of CPU time, once); cryofocus is measured anew every time. Without RELION's programs
(Debian: relion) only cryofocus is measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import yaml
from relion_steps import Course, measure_relion, relion_version
from stage_watch import ELSEWHERE, StageWatch, cpu_seconds
from synthetic import describe_here

from cryofocus.benchmark.classify import KappaWatch, read_true_class
from cryofocus.execution.monitor import Advance, Arrays
from cryofocus.report.drawing.style import CLASS_COLOURS
from cryofocus.report.figures.style import drawing, new_figure, write_png
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

SCENARIOS, SNR, PARTICLES = (1, 2), 0.025, 10_000
MARGIN = 0.005
CPU_TICKS = (5, 10, 20, 50, 100, 200, 500, 1000)


class CpuWatch(KappaWatch):
    """Notes the CPU time of every cycle and stage beside kappa."""

    def __init__(self, true_class: np.ndarray, n_classes: int) -> None:
        super().__init__(true_class, n_classes)
        self.cycles: list[float] = []
        self.stages = StageWatch()

    def task(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Note what a stage takes."""
        return self.stages.task(name, n_steps, at_most=at_most)

    def observe(self, arrays: Arrays) -> None:
        """Note what it took so far, then look at the classes."""
        self.cycles.append(cpu_seconds())
        super().observe(arrays)


def classify_here(data: Path, threads: int, where: str) -> Course:
    """Classify a simulated set in this process, which does nothing else."""
    start, cpu_start = time.perf_counter(), cpu_seconds()
    description = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
    n_classes = int(description["n_classes"])
    request = ClassifyRequest(
        **{
            "particles": data / "particles.star",
            "datadir": data,
            "focus": tuple(float(number) for number in description["focus_sphere"].split(",")),
            "threads": threads,
            "settings": {"n_classes": n_classes, "n_runs": 1},
        }
    )
    watch = CpuWatch(read_true_class(data / "truth.star"), n_classes)
    with tempfile.TemporaryDirectory() as name:
        classify(request, Path(name) / "run", progress=watch)
        watch.stages.note(ELSEWHERE)
        total = cpu_seconds()
    stages = {span.name: span.cpu_seconds for span in watch.stages.by_stage().values()}
    return Course(
        stages={"start of the program": cpu_start, **stages},
        cpu_seconds=tuple(watch.cycles),
        kappas=watch.by_run(first=0)[0],
        total_seconds=total,
        wall_seconds=time.perf_counter() - start,
        where=where,
    )


def measure_cryofocus(data: Path, threads: int, where: str, repeats: int) -> Course:
    """Classify in processes of their own; return the one of median CPU time."""
    courses = []
    for _ in range(repeats):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            courses.append(pool.submit(classify_here, data, threads, where).result())
        print(f"cryofocus, {data.name}: {courses[-1].total_seconds:.1f} CPU s", flush=True)
    return sorted(courses, key=lambda course: course.total_seconds)[len(courses) // 2]


def table(relion: Course | None, ours: Course) -> str:
    """Compare two courses."""
    lines = [
        "| | kappa | CPU s | total wall s | times cryofocus, settled |",
        "| --- | --- | --- | --- | --- |",
    ]
    at = ours.settled(MARGIN)
    unit = ours.cpu_seconds[at]
    lines += [
        f"| cryofocus, settled (cycle {at + 1} of {len(ours.kappas)}) | {ours.kappas[at]:.3f} | "
        f"{unit:.1f} | | 1 |",
        f"| cryofocus, last cycle | {ours.kappas[-1]:.3f} | {ours.cpu_seconds[-1]:.1f} | | "
        f"{ours.cpu_seconds[-1] / unit:.1f} |",
        f"| cryofocus, class maps and run directory | {ours.kappas[-1]:.3f} | "
        f"{ours.total_seconds:.1f} | {ours.wall_seconds:.0f} | {ours.total_seconds / unit:.1f} |",
    ]
    if relion is not None:
        at = relion.settled(MARGIN)
        lines += [
            f"| RELION, settled (iteration {at + 1}) | {relion.kappas[at]:.3f} | "
            f"{relion.cpu_seconds[at]:.0f} | | {relion.cpu_seconds[at] / unit:.1f} |",
            f"| RELION, {len(relion.kappas)} iterations | {relion.kappas[-1]:.3f} | "
            f"{relion.total_seconds:.0f} | {relion.wall_seconds:.0f} | "
            f"{relion.total_seconds / unit:.1f} |",
        ]
    for name, course in (("cryofocus", ours), ("RELION", relion)):
        if course is not None:
            stages = ", ".join(f"{stage} {taken:.1f}" for stage, taken in course.stages.items())
            lines += [f"\n{name}, CPU seconds by stage: {stages}. {course.where}"]
    return "\n".join(lines)


def draw(courses: dict[str, dict[str, Course]], path: Path) -> None:
    """Draw kappa against CPU time, one panel per set."""
    with drawing():
        figure = new_figure(3.6, gap=0.08)
        for axes, (title, pair) in zip(
            np.ravel(figure.subplots(1, len(courses))), courses.items(), strict=True
        ):
            for colour, (name, course) in zip(CLASS_COLOURS, pair.items(), strict=False):
                at = course.settled(MARGIN)
                axes.plot(course.cpu_seconds, course.kappas, ".-", color=colour, label=name)
                axes.plot(course.cpu_seconds[at], course.kappas[at], "o", color=colour, ms=9)
            axes.set(xscale="log", title=title, xlabel="CPU seconds from the particle file")
            axes.set(ylabel="kappa", xlim=(5, 1000), ylim=(-0.05, 1.0))
            axes.minorticks_off()
            axes.set_xticks(CPU_TICKS, [str(tick) for tick in CPU_TICKS])
            axes.legend(loc="lower right")
        write_png(path, figure, dots_per_inch=120)


def main() -> None:
    """Measure both programs on every set, write the table and the figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keep", type=Path, required=True)
    options.add_argument("--sets", type=Path, nargs=2, help="simulated before, scenarios 1 and 2")
    options.add_argument("--particles", type=int, default=PARTICLES)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=3)
    default = Path(__file__).parent / "results" / "relion.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    where = describe_here(time.strftime("%Y-%m-%d"))
    has_relion = shutil.which("relion_refine") is not None
    courses: dict[str, dict[str, Course]] = {}
    tables = []
    for i, scenario in enumerate(SCENARIOS):
        data = given.sets[i] if given.sets else given.keep / f"set{scenario}"
        if not data.exists():
            settings = HumanoidSettings(scenario=scenario, particles=given.particles, snr=SNR)
            simulate_humanoid(data, settings)
        folder = given.keep / f"relion{scenario}"
        relion = measure_relion(data, folder, given.threads, where) if has_relion else None
        ours = measure_cryofocus(data, given.threads, where, given.repeats)
        title = f"Scenario {scenario}, K = {2 * scenario}"
        courses[title] = {"cryofocus": ours} | ({"RELION": relion} if relion else {})
        oracle = yaml.safe_load((data / "dataset.yaml").read_text())["oracle_focused_kappa"]
        tables += [f"## {title}; best possible kappa {oracle:.3f}", table(relion, ours)]
        print(tables[-1], flush=True)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    draw(courses, given.output.with_suffix(".png"))
    version = relion_version() if has_relion else "RELION is not installed"
    parts = [
        "# Comparison with RELION",
        f"{given.particles:,} particles, box 80, 5.24 Å per pixel, SNR {SNR}, true poses, focus "
        f"sphere of 60 Å; {given.threads} thread each. Method: docstring of "
        f"`benchmarks/relion.py`. cryofocus: the median of {given.repeats}. {version}.",
        f"![Kappa against CPU time]({given.output.with_suffix('.png').name})",
        *tables,
    ]
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
