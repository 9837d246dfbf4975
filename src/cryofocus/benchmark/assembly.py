"""`cryofocus benchmark assembly`: covariance, focus and verdicts on realistic sets of known truth.

Every part of every seed is one JSON file in the output; what is there is not run again.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from jaxtyping import Bool, Float32, Float64, Int

from cryofocus.data.grid_map import GridMap
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import InputError
from cryofocus.maths.copies import find_effective_classes
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.grids import n_shells
from cryofocus.maths.statistics import measure_agreement, posterior_kappa
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.covary.run import covary
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.claims import claim
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_text
from cryofocus.workflows.simulate.assembly import simulate_assembly

Part = Literal["covariance", "focus", "ef_g", "trna", "cut", "flexible", "ten", "control"]
Row = dict[str, Any]

VARYING = ("central_protuberance", "bridge", "l16", "ef_g", "l1_stalk", "trna")
CONSTANT = ("h58", "stalk_base")
# What each kind of set has in focus: by default the L1 stalk. A sphere of 30 Å holds a part of
# EF-G, beside the moving subunit.
SETS: Mapping[str, Mapping[str, Any]] = {
    "asm": {},
    "efg": {"focus_region": "ef_g"},
    "trna": {"focus_region": "trna"},
    "cut": {"focus_region": "ef_g", "focus_radius_angstrom": 30.0},
}
MANY_CLASSES = 10


@dataclass(frozen=True)
class AssemblyPlan:
    """What is measured, on what, and where it goes.

    Attributes:
        output: Directory of the benchmark.
        sets: Folder of ready sets `asm1`, ..., and by what they focus on `efg1`, `trna1`, and
            `cut1` with the sphere that cuts EF-G, ...; those that are missing are simulated into
            the output.
        n_particles: Of each set that is simulated.
        seeds: Seeds of the sets.
        parts: Which questions are asked.
        threads: Threads.
    """

    output: Path
    sets: Path | None
    n_particles: int
    seeds: tuple[int, ...]
    parts: tuple[Part, ...]
    threads: int

    @property
    def folder(self) -> Path:
        """Where what belongs to sets of this size lies."""
        return self.output / f"{self.n_particles}_particles"

    def find_set(self, name: str, seed: int, progress: Progress) -> Path:
        """Return a ready set, or simulate it."""
        if self.sets is not None and (ready := self.sets / f"{name}{seed}").exists():
            return ready
        made = self.folder / "sets" / f"{name}{seed}"
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            settings = AssemblySettings(particles=self.n_particles, seed=seed, **SETS[name])
            simulate_assembly(made, settings, threads=self.threads, progress=progress)
        return made


def run_assembly_benchmark(
    plan: AssemblyPlan,
    *,
    progress: Progress | None = None,
    on_part: Callable[[Part, int, list[Row]], None] = lambda *_: None,
) -> dict[Part, list[Row]]:
    """Ask every question of every seed, or read what was answered before.

    Returns:
        For each part the rows of all seeds.
    """
    claim(plan.output)
    answers: dict[Part, list[Row]] = {part: [] for part in plan.parts}
    for seed in plan.seeds:
        for part in plan.parts:
            path = plan.folder / "parts" / f"{part}_{seed}.json"
            if not path.exists():
                rows = list(PARTS[part](plan, seed, progress or SilentProgress()))
                path.parent.mkdir(parents=True, exist_ok=True)
                write_text(path, json.dumps([row | {"seed": seed} for row in rows], indent=1))
            rows = json.loads(path.read_text(encoding="utf-8"))
            answers[part].extend(rows)
            on_part(part, seed, rows)
    return answers


@dataclass(frozen=True)
class TrueCorrelations:
    """How regions really correlate over the particles.

    Attributes:
        masses: Of the map of the particle's state inside each region's mask, which the dark
            surroundings of others reach into.
        masses_seen: The same in maps that end where the analysis does: surroundings reach farther.
        presence: Of what is there and what is not.
    """

    masses: Float64[np.ndarray, "region region"]
    masses_seen: Float64[np.ndarray, "region region"]
    presence: Float64[np.ndarray, "region region"]


def _ask_covariance(plan: AssemblyPlan, seed: int, progress: Progress) -> Iterator[Row]:
    """Yield every pair of regions that vary, and whether constant ones seem to."""
    data = plan.find_set("asm", seed, progress)
    regions = {name: data / "masks" / f"{name}.mrc" for name in VARYING + CONSTANT}
    start = time.process_time()
    made = covary(
        [data / "particles.star"],
        regions,
        plan.folder / "runs" / f"covary{seed}",
        machine=Machine(threads=plan.threads),
        overwrite=True,
        progress=progress,
    )
    seconds = time.process_time() - start
    level = made.record.particle_level
    assert level is not None
    true = true_correlations(data, level.resolution_angstrom)
    for (i, first), (j, second) in combinations(enumerate(VARYING), 2):
        yield {
            "pair": f"{first} and {second}",
            "truth": float(true.masses[i, j]),
            "truth_seen": float(true.masses_seen[i, j]),
            "by_presence": float(true.presence[i, j]),
            "found": level.correlation[i][j],
            "low": level.low[i][j],
            "high": level.high[i][j],
            "p_value": level.p_values[i][j],
            "constant_that_vary": sum(level.varies[len(VARYING) :]),
            "cpu_seconds": seconds,
        }


def _classified(
    name: str, sphere: str, n_classes: int = 2, background: str = "rigid", n_runs: int = 3
) -> Callable[[AssemblyPlan, int, Progress], Iterator[Row]]:
    """Return what classifies a set around one of its spheres and compares with the truth."""

    def ask(plan: AssemblyPlan, seed: int, progress: Progress) -> Iterator[Row]:
        data = plan.find_set(name, seed, progress)
        said = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
        request = ClassifyRequest.model_validate(
            {
                "particles": data / "particles.star",
                "focus": tuple(float(number) for number in said[sphere].split(",")),
                "threads": plan.threads,
                "settings": {
                    "n_classes": n_classes,
                    "background": background,
                    "n_runs": n_runs,
                },
            }
        )
        folder = plan.folder / "runs" / f"{name}_{sphere}_{n_classes}_{background}_{seed}"
        start = time.process_time()
        run = classify(request, folder, overwrite=folder.exists(), progress=progress)
        yield _judge(run, data) | {"cpu_seconds": time.process_time() - start}

    return ask


def _judge(run: RunDirectory, data: Path) -> Row:
    """Compare a run with the truth, over the particles that are no junk."""
    job = run.read_job()
    is_good = _truth(data, "truth.star", "cryofocusJunk") == 0
    truth = _truth(data, "truth_focused.star", "rlnClassNumber")[is_good] - 1
    posteriors = run.read_posteriors(job.n_particles)[is_good].astype(np.float64)
    merged = find_effective_classes(posteriors).merge(posteriors)
    # Two columns at least, so that a single class can be compared.
    merged = np.pad(merged, ((0, 0), (0, max(0, 2 - merged.shape[1]))))
    n_classes = max(2, merged.shape[1])
    agreement = measure_agreement(merged.argmax(axis=1), truth, n_classes)
    limits = {
        name: posterior_kappa(oracle[is_good], truth)
        for name, oracle in read_oracles(data).items()
    }
    return {
        "kappa": agreement.kappa,
        **limits,
        "fraction_correct": agreement.fraction_correct,
        "mean_posterior": float(merged.max(axis=1).mean()),
        "classes_found": job.classes_found,
        "n_effective_classes": job.n_effective_classes,
        "runs_agree": job.agreement.mean,
    }


def read_oracles(data: Path) -> dict[str, Float64[np.ndarray, "particle 2"]]:
    """Return what the four oracles say of whether the region in focus is there.

    Raises:
        InputError: When the set was simulated by an earlier version, which had fewer.
    """
    if not (latest := data / "oracle_given.npy").exists():
        raise InputError(
            f"{latest}: not found; expected with every set that this version of cryofocus "
            "simulates. Simulate the set again with cryofocus simulate assembly --overwrite."
        )
    region = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))["focus_region"]
    is_there = np.array([row[region] == "1" for row in _states(data)])
    of_states = np.load(data / "oracle.npy").astype(np.float64)
    present = of_states[:, is_there].sum(axis=1)
    return {
        "oracle": np.stack([of_states.sum(axis=1) - present, present], axis=1),
        "oracle_focused": np.load(data / "oracle_focused.npy"),
        "oracle_model": np.load(data / "oracle_model.npy"),
        "oracle_given": np.load(latest),
    }


def _states(data: Path) -> list[dict[str, str]]:
    """Read which regions are there in each state."""
    return list(csv.DictReader((data / "states.csv").read_text(encoding="utf-8").splitlines()))


def true_correlations(data: Path, resolution_angstrom: float) -> TrueCorrelations:
    """Correlate the regions over the particles that are no junk."""
    state = _truth(data, "truth.star", "rlnClassNumber") - 1
    state = state[_truth(data, "truth.star", "cryofocusJunk") == 0]
    rows = _states(data)
    inside = [GridMap.read(data / "masks" / f"{name}.mrc").data > 0.5 for name in VARYING]
    maps = [GridMap.read(data / "maps" / row["map"]) for row in rows]
    seen = [_end_at(one, resolution_angstrom) for one in maps]
    presence = np.array([[float(row[name]) for name in VARYING] for row in rows])
    return TrueCorrelations(
        np.corrcoef(_masses([one.data for one in maps], inside)[state].T),
        np.corrcoef(_masses(seen, inside)[state].T),
        np.corrcoef(presence[state].T),
    )


def _end_at(map_: GridMap, resolution_angstrom: float) -> Float32[np.ndarray, "box box box"]:
    box = len(map_.data)
    last = round(box * map_.voxel_size_angstrom / resolution_angstrom)
    return filter_shells(map_.data, (np.arange(n_shells(box)) <= last).astype(np.float32))


def _masses(
    maps: Sequence[Float32[np.ndarray, "box box box"]],
    inside: Sequence[Bool[np.ndarray, "box box box"]],
) -> Float64[np.ndarray, "map region"]:
    return np.array([[one[mask].sum(dtype=np.float64) for mask in inside] for one in maps])


def _truth(data: Path, name: str, column: str) -> Int[np.ndarray, " particle"]:
    """Read a column of whole numbers of a table of the truth."""
    document = StarDocument.read(data / name)
    return document.numbers(document.blocks[0], [column])[column].astype(int)


PARTS: Mapping[Part, Callable[[AssemblyPlan, int, Progress], Iterator[Row]]] = {
    "covariance": _ask_covariance,
    "focus": _classified("asm", "focus_sphere"),
    "ef_g": _classified("efg", "focus_sphere"),
    "trna": _classified("trna", "focus_sphere"),
    "cut": _classified("cut", "focus_sphere"),
    "flexible": _classified("cut", "focus_sphere", background="flexible"),
    "ten": _classified("asm", "focus_sphere", n_classes=MANY_CLASSES, n_runs=1),
    "control": _classified("asm", "control_sphere"),
}
