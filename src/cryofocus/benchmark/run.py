"""`cryofocus benchmark humanoid`: what the program reaches beside what can be reached.

Every cell simulates particles, classifies them, and compares the classes with the truth and with
the Bayes limit on the same images. A finished cell is kept and not run again.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from cryofocus.benchmark.cells import Cell, CellResult, PoseFigures, read_results, write_result
from cryofocus.benchmark.classify import KappaByCycle, classify_cell
from cryofocus.benchmark.poses import make_poses
from cryofocus.benchmark.slices import ClassSlices, cut_class_slices, read_slices, write_slices
from cryofocus.benchmark.tables import write_tables
from cryofocus.errors import FormatError, Interrupted, OutputError
from cryofocus.simulate.states import Scenario
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.machine.hardware import describe_hardware
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.claims import claim
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_text
from cryofocus.workflows.simulate.humanoid import DESCRIPTION, simulate_humanoid

Result = TypeVar("Result")
_CELLS = TypeAdapter(tuple[Cell, ...])


@dataclass(frozen=True)
class BenchmarkDirectory:
    """Where a benchmark keeps its things."""

    path: Path

    @property
    def cells(self) -> Path:
        """One file a finished cell."""
        return self.path / "cells"

    @property
    def sets(self) -> Path:
        """Simulated sets; each is deleted after its last cell unless they are kept."""
        return self.path / "sets"

    @property
    def runs(self) -> Path:
        """Run directories; likewise."""
        return self.path / "runs"

    @property
    def plan_file(self) -> Path:
        """Every cell that a command has planned here, in order."""
        return self.path / "plan.json"

    def plan(self) -> list[Cell]:
        """Read the planned cells; none where nothing was planned.

        Raises:
            FormatError: When the file is damaged.
        """
        if not self.plan_file.is_file():
            return []
        try:
            return list(_CELLS.validate_json(self.plan_file.read_bytes()))
        except ValidationError as error:
            raise FormatError(
                f"{self.plan_file}: not the plan of a benchmark ({error.error_count()} errors). "
                "Delete it; finished cells stay."
            ) from error

    def add_to_plan(self, cells: Sequence[Cell]) -> list[Cell]:
        """Plan cells beside those already planned, and return all.

        Raises:
            OutputError: Disk full, no permission.
        """
        planned = list(dict.fromkeys([*self.plan(), *cells]))
        write_text(self.plan_file, _CELLS.dump_json(tuple(planned), indent=1).decode() + "\n")
        return planned

    def slices(self, cell: Cell) -> Path:
        """Slices of the class maps of a cell in focus."""
        return self.path / "slices" / f"{cell.name}.npz"

    def results(self) -> list[CellResult]:
        """Read the finished cells."""
        return read_results(self.cells)

    def read_slices(self, results: Sequence[CellResult]) -> list[tuple[CellResult, ClassSlices]]:
        """Read the slices of those cells that have any."""
        places = [(result, self.slices(result.cell)) for result in results]
        return [(result, read_slices(path)) for result, path in places if path.is_file()]


def run_benchmark(
    cells: Sequence[Cell],
    output: Path,
    *,
    threads: int | None = None,
    keep: bool = False,
    progress: Progress | None = None,
    on_result: Callable[[CellResult], None] = lambda _: None,
) -> list[CellResult]:
    """Run the cells that are not finished yet and write the tables.

    Args:
        cells: From `plan_cells`; cells on the same images should follow each other.
        output: Directory, new or of an earlier benchmark, whose cells then count.
        threads: Of simulation and classification; None takes every processor this process may use.
        keep: Keep simulated sets and run directories (some 300 MB for 10,000 particles of box 80).
        progress: Where to show progress; nowhere by default.
        on_result: Called with every result of the plan as it comes, finished ones first.

    Returns:
        Of all cells in the directory.

    Raises:
        Interrupted: When stopped; finished cells are kept.
        OutputError: When the directory is something else, or cannot be written.
    """
    directory, cells = BenchmarkDirectory(output), list(dict.fromkeys(cells))
    _prepare(directory)
    planned = directory.add_to_plan(cells)
    known = {result.cell: result for result in directory.results()}
    waiting = [cell for cell in cells if cell not in known]
    for cell in cells:
        if cell in known:
            on_result(known[cell])
    try:
        with (progress or SilentProgress()).task("benchmark cells", len(waiting)) as advance:
            for number, cell in enumerate(waiting):
                advance(0, note=cell.name)
                result = _run_cell(directory, cell, threads, keep=keep)
                write_result(directory.cells, result)
                write_tables(directory.path, directory.results(), planned)
                rest = {later.set_name for later in waiting[number + 1 :]}
                if not keep and cell.set_name not in rest:
                    shutil.rmtree(directory.sets / cell.set_name)
                on_result(result)
                advance()
    except (KeyboardInterrupt, Interrupted) as stop:
        raise Interrupted(
            f"Interrupted. Finished cells are kept in {output}; the same command continues."
        ) from stop
    results = directory.results()
    write_tables(directory.path, results, planned)
    return results


def _prepare(directory: BenchmarkDirectory) -> None:
    """Make the directory, or check that it is a benchmark's."""
    path = directory.path
    if path.exists() and not directory.cells.is_dir() and (path.is_file() or any(path.iterdir())):
        raise OutputError(
            f"{path}: exists and is not a benchmark (it holds no folder {directory.cells.name}), "
            "so nothing in it is touched. Choose another place with -o."
        )
    claim(path)
    try:
        directory.cells.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be made ({error.strerror}). Choose another place with -o."
        ) from error


def _run_cell(
    directory: BenchmarkDirectory, cell: Cell, threads: int | None, *, keep: bool
) -> CellResult:
    """Simulate where needed, classify, compare."""
    folder, run = directory.sets / cell.set_name, directory.runs / cell.name
    if not (folder / DESCRIPTION).is_file():
        n_threads, silent = threads or describe_hardware().cores, SilentProgress()
        simulate_humanoid(folder, cell.simulation(), threads=n_threads, progress=silent)
    description = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))
    table, figures, cpu_start = folder / "particles.star", None, _cpu_seconds()
    if cell.poses != "exact":
        made = _in_new_process(make_poses, folder, cell.poses, threads)
        table = folder / made.table
    start = time.perf_counter()
    kappa_by_cycle = _in_new_process(classify_cell, folder, table, run, cell, threads)
    seconds = time.perf_counter() - start
    scores = evaluate(run / "particles.star", folder / "truth.star", folder / "oracle.npy")
    if cell.kind == "focus" and not cell.is_titration and cell.poses == "exact":
        found = RunDirectory.open(run)
        scenario = Scenario(cell.scenario)
        slices = cut_class_slices(found, folder / "maps", scenario, scores["matching"])
        write_slices(directory.slices(cell), slices)
    limit = description["oracle_focused_kappa"]
    result = _summarise(cell, run, scores, limit, (kappa_by_cycle, seconds))
    if cell.poses != "exact":
        figures = PoseFigures(**scores["pose_errors"], **made.model_dump(exclude={"table"}))
    if not keep:
        shutil.rmtree(run)
    cpu_seconds = _cpu_seconds() - cpu_start
    return result.model_copy(update={"poses": figures, "cpu_seconds": cpu_seconds})


def _cpu_seconds() -> float:
    """Return the processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _in_new_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run a function in a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def _summarise(
    cell: Cell,
    run: Path,
    scores: dict[str, Any],
    oracle_focused_kappa: float,
    measured: tuple[KappaByCycle, float],
) -> CellResult:
    """Collect the figures of a cell; what a result has no field for is left out."""
    job = RunDirectory.open(run).read_job()
    kappa_by_cycle, seconds = measured
    return CellResult(
        cell=cell,
        kappa=scores["kappa"],
        oracle_kappa=scores["oracle_kappa"],
        oracle_focused_kappa=oracle_focused_kappa,
        **scores["calibration"],
        classes_found=job.classes_found,
        run_agreement=job.agreement.mean,
        cycles=job.cycles,
        kappa_by_cycle=kappa_by_cycle,
        seconds=seconds,
        peak_memory_gb=max(job.peak_memory_gb.values()),
        machine=f"{job.machine.processor}, {job.machine.cores} cores",
        date=time.strftime("%Y-%m-%d", time.gmtime()),
    )
