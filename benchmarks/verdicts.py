"""Is the number of classes found, and is a region that does not vary left alone?

Usage: ``python benchmarks/verdicts.py FOLDER [--only QUESTION...] [--sets DIR] [--particles N]
[--seeds N...] [-o benchmarks/results/verdicts.md]``. Simulates sets of both benchmarks into FOLDER
and classifies them there; what is there already is used again. Questions, each with its own part
of the table:

count  `--classes auto` on 6 regions with 1, 2 or 4 states, of which 2 hold nothing that varies
null   sets of 1,000 particles whose region does not vary, though others do, 50 for each seed
many   ten classes asked for where there are 2 or 4
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from synthetic import describe_here

from cryofocus import AssemblySettings, HumanoidSettings, simulate_assembly, simulate_humanoid
from cryofocus.data.images import ImageReader
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import AUTO, ClassCount, ClassifierSettings
from cryofocus.kernels.select import select_kernels
from cryofocus.maths.statistics import measure_agreement

SNR = 0.025
SOFT_EDGE_ANGSTROM = 8.0
NULL_PARTICLES = 1000
# Constant regions of the assembly beside its control sphere.
CONSTANT = ("h58", "l4")
MANY = 10
PLACE = ("set", "region", "seed")

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Where everything lies, and how large it is."""

    folder: Path
    sets: Path
    particles: int
    seeds: tuple[int, ...]
    threads: int

    def find(self, kind: str, seed: int) -> Path:
        """Find a set, or simulate it."""
        name = f"{kind}_{seed}"
        for ready in (self.sets / name, self.folder / name):
            if ready.exists():
                return ready
        made = self.folder / name
        if kind == "assembly":
            assembly = AssemblySettings(particles=self.particles, seed=seed)
            simulate_assembly(made, assembly, threads=self.threads)
        else:
            humanoid = HumanoidSettings(
                scenario=int(kind[-1]), snr=SNR, particles=self.particles, seed=seed
            )
            simulate_humanoid(made, humanoid, threads=self.threads)
        return made


@dataclass(frozen=True)
class Region:
    """A region of a kind of set, and how many states its particles are in.

    Attributes:
        kind: Of the set.
        name: A sphere of dataset.yaml, or masks with `+` between them.
        n_states: True number.
        blocks: Of an assembly, those whose presence the states are; with `+` between them.
            Otherwise what the set says of the focus.
    """

    kind: str
    name: str
    n_states: int
    blocks: str = ""

    def mask(self, data: Path, particles: ParticleSet) -> FocusMask:
        """Make the mask on the particles' grid."""
        grid = (particles.box, particles.pixel_size_angstrom)
        if self.name.endswith("sphere"):
            text = yaml.safe_load((data / "dataset.yaml").read_text())[self.name]
            x, y, z, radius = map(float, text.split(","))
            return FocusMask.from_sphere(
                (x, y, z, radius), *grid, soft_edge_angstrom=SOFT_EDGE_ANGSTROM
            )
        masks = [read_volume(data / "masks" / f"{one}.mrc") for one in self.name.split("+")]
        path = data / f"{self.name}.mrc"
        if not path.exists():
            union = np.max([mask.data for mask in masks], axis=0)
            write_volume(path, union, masks[0].voxel_size_angstrom, masks[0].origin_angstrom)
        return FocusMask.from_file(path, *grid)

    def states(self, data: Path) -> np.ndarray:
        """Read the true state of each particle, from 0; -1 for junk."""
        if self.kind != "assembly":
            return _read_truth(data / "truth.star", "rlnClassNumber") - 1
        if self.blocks:
            states = self._joint_states(data)
        else:
            states = _read_truth(data / "truth_focused.star", "rlnClassNumber") - 1
        is_junk = _read_truth(data / "truth.star", "cryofocusJunk") > 0
        return np.where(is_junk, -1, states)

    def _joint_states(self, data: Path) -> np.ndarray:
        """Number the combinations of the regions that vary."""
        with (data / "states.csv").open() as file:
            joint = [
                "".join(row[k] for k in self.blocks.split("+")) for row in csv.DictReader(file)
            ]
        of_state = np.unique(joint, return_inverse=True)[1]
        return of_state[_read_truth(data / "truth.star", "rlnClassNumber") - 1]


COUNTED = (
    Region("humanoid1", "control_sphere", 1),
    Region("humanoid1", "focus_sphere", 2),
    Region("humanoid2", "focus_sphere", 4),
    Region("assembly", "control_sphere", 1),
    Region("assembly", "focus_sphere", 2),
    Region("assembly", "l1_stalk+trna", 4, "l1_stalk+trna"),
)
# A sphere of 30 Å as in the publication, which cuts a block: classes differ by a part of it.
CUTTING = Region("assembly", "cutting_sphere", 2, "ef_g")
CONSTANT_REGIONS = (
    Region("humanoid1", "control_sphere", 1),
    Region("humanoid2", "control_sphere", 1),
    Region("assembly", "control_sphere", 1),
    *(Region("assembly", name, 1) for name in CONSTANT),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--sets", type=Path, help="folder of sets that are there already")
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    plan = Plan(
        arguments.folder,
        arguments.sets or arguments.folder,
        arguments.particles,
        tuple(arguments.seeds),
        arguments.threads,
    )
    plan.folder.mkdir(parents=True, exist_ok=True)
    for question in arguments.only:
        for row in QUESTIONS[question](plan):
            print(question, row, flush=True)
    if arguments.output:
        arguments.output.write_text(table(plan), encoding="utf-8")


def count(plan: Plan) -> Iterator[Row]:
    """Let the number of classes be found."""
    for seed in plan.seeds:
        for region in COUNTED:
            yield _kept(plan, "count", region, seed, lambda r=region, s=seed: _count(plan, r, s))


def _count(plan: Plan, region: Region, seed: int) -> Row:
    result, truth = _classify(plan, region, seed, AUTO)
    found = len(result.effective_classes) if result.classes_found else 1
    return _measure(result, truth) | {
        "states": region.n_states,
        "found": found,
        "objectives": {trial.n_classes: round(trial.objective, 1) for trial in result.trials},
    }


def many(plan: Plan) -> Iterator[Row]:
    """Ask for ten classes, and for as many as there are."""
    for seed in plan.seeds:
        for region in (*COUNTED, CUTTING):
            if region.n_states > 1:
                yield _kept(plan, "many", region, seed, lambda r=region, s=seed: _many(plan, r, s))


def _many(plan: Plan, region: Region, seed: int) -> Row:
    right, truth = _classify(plan, region, seed, region.n_states)
    result, _ = _classify(plan, region, seed, MANY)
    merged = result.effective_classes.merge(result.posteriors)
    return _measure(result, truth, merged) | {
        "states": region.n_states,
        "found": len(result.effective_classes) if result.classes_found else 1,
        "kappa_right": _measure(right, truth)["kappa"],
        "settled": result.runs[result.comparison.best].outcome.is_converged,
    }


def null(plan: Plan) -> Iterator[Row]:
    """Classify small sets whose region does not vary."""
    for region in CONSTANT_REGIONS:
        for seed in plan.seeds:
            yield _kept(plan, "null", region, seed, lambda r=region, s=seed: _null(plan, r, s))


def _null(plan: Plan, region: Region, seed: int) -> Row:
    data = plan.find(region.kind, seed)
    particles = ParticleSet.read(data / "particles.star")
    p_values, found = [], []
    for start in range(0, len(particles), NULL_PARTICLES):
        few = particles.take(np.arange(start, min(start + NULL_PARTICLES, len(particles))))
        result = _fit(plan, few, region.mask(data, particles), 2, seed)
        p_values.append(result.p_value_no_classes)
        found.append(result.classes_found)
    return {"p_values": p_values, "found": found}


def _classify(
    plan: Plan, region: Region, seed: int, n_classes: ClassCount
) -> tuple[ClassificationResult, np.ndarray]:
    data = plan.find(region.kind, seed)
    particles = ParticleSet.read(data / "particles.star")
    result = _fit(plan, particles, region.mask(data, particles), n_classes, seed)
    return result, region.states(data)


def _fit(
    plan: Plan, particles: ParticleSet, mask: FocusMask, n_classes: ClassCount, seed: int
) -> ClassificationResult:
    settings = ClassifierSettings(n_classes=n_classes, n_runs=1, seed=seed)
    kernels = select_kernels("cpu", plan.threads)
    classifier = FocusedClassifier(settings, kernels, plan.threads)
    return classifier.fit(particles, ImageReader(particles), mask)


def _measure(
    result: ClassificationResult, truth: np.ndarray, posteriors: np.ndarray | None = None
) -> Row:
    posteriors = result.posteriors if posteriors is None else posteriors
    known = truth >= 0
    posteriors, truth = posteriors[known], truth[known]
    n_classes = max(posteriors.shape[1], int(truth.max()) + 1, 2)
    agreement = measure_agreement(posteriors.argmax(axis=1), truth, n_classes)
    return {
        "p_value": result.p_value_no_classes,
        "said": round(float(posteriors.max(axis=1).mean()), 4),
        "expected": result.expected_accuracy,
        "right": round(agreement.fraction_correct, 4),
        "kappa": round(agreement.kappa, 4),
    }


def _read_truth(path: Path, label: str) -> np.ndarray:
    document = StarDocument.read(path)
    return document.numbers(document.blocks[0], [label])[label].astype(int)


def _kept(plan: Plan, question: str, region: Region, seed: int, answer: Callable[[], Row]) -> Row:
    """Return an answer that is kept in a file, or find it."""
    path = plan.folder / f"{question}_{region.kind}_{region.name}_{seed}.json"
    if not path.exists():
        start = time.process_time()
        row = {"set": region.kind, "region": region.name, "seed": seed} | answer()
        row["cpu_seconds"] = round(time.process_time() - start, 1)
        path.write_text(json.dumps(row))
    return json.loads(path.read_text())


QUESTIONS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "count": count,
    "null": null,
    "many": many,
}


def table(plan: Plan) -> str:
    """Write the tables of all that was asked so far."""
    lines = [
        "# Are there classes, and how many",
        "",
        f"Sets of {plan.particles:,} particles: humanoid scenarios 1 and 2 at SNR {SNR} (box 80), "
        "assembling ribosomes (box 64, poses off by 1 degree and 1 Å); one run each.",
        describe_here(date.today().isoformat()),
    ]
    for question, compose in TABLES.items():
        rows = [json.loads(path.read_text()) for path in sorted(plan.folder.glob(question + "_*"))]
        if rows:
            lines += ["", *compose(rows)]
    return "\n".join([*lines, ""])


def _head(*columns: str) -> Iterator[str]:
    """Head of a table whose first two columns are words."""
    yield f"| {' | '.join(columns)} |"
    yield "| --- | --- |" + " --: |" * (len(columns) - 2)


def tabulate_counts(rows: list[Row]) -> Iterator[str]:
    """One line for each set and region, and how many are right."""
    right = sum(row["found"] == row["states"] for row in rows)
    yield f"## `--classes auto`: {right} of {len(rows)} right"
    yield ""
    yield "Of a single state nothing can be said, or right: a dash."
    yield ""
    yield from _head(*PLACE, "states", "found", "p-value", "said", "can be right", "right")
    for row in rows:
        sure = " | ".join(f"{row[name]:.3f}" for name in ("said", "expected", "right"))
        yield (
            f"| {row['set']} | {row['region']} | {row['seed']} | {row['states']} | {row['found']} "
            f"| {row['p_value']:.2g} | {sure if row['found'] > 1 else '– | – | –'} |"
        )


def tabulate_many(rows: list[Row]) -> Iterator[str]:
    """One line for each set and region: the number left, and kappa beside that of K right."""
    right = sum(row["found"] == row["states"] for row in rows)
    yield f"## {MANY} classes asked for: {right} of {len(rows)} right"
    yield ""
    yield from _head(*PLACE, "states", "left", "kappa, merged", "kappa, number known", "settled")
    for row in rows:
        yield (
            f"| {row['set']} | {row['region']} | {row['seed']} | {row['states']} | {row['found']} "
            f"| {row['kappa']:.3f} | {row['kappa_right']:.3f} "
            f"| {'yes' if row['settled'] else 'no'} |"
        )


def tabulate_nulls(rows: list[Row]) -> Iterator[str]:
    """One line for each region: p-values, and how often classes were found."""
    p_values = [value for row in rows for value in row["p_values"] if value is not None]
    found = sum(sum(row["found"]) for row in rows)
    yield f"## Nothing varies: classes in {found} of {sum(len(row['found']) for row in rows)}"
    yield ""
    yield (
        f"Sets of {NULL_PARTICLES:,}. Of {len(p_values)} p-values, "
        f"{sum(value <= 0.01 for value in p_values)} are at most 0.01, "
        f"{sum(value <= 0.1 for value in p_values)} at most 0.1; they are bounds and mostly 1."
    )
    yield ""
    yield from _head("set", "region", "sets", "smallest p-value", "classes found")
    for name in sorted({(row["set"], row["region"]) for row in rows}):
        mine = [row for row in rows if (row["set"], row["region"]) == name]
        smallest = min(value for row in mine for value in row["p_values"] if value is not None)
        n_sets, n_found = (
            sum(map(len, (row["found"] for row in mine))),
            sum(sum(row["found"]) for row in mine),
        )
        yield f"| {name[0]} | {name[1]} | {n_sets} | {smallest:.2g} | {n_found} |"


TABLES: dict[str, Callable[[list[Row]], Iterator[str]]] = {
    "count": tabulate_counts,
    "null": tabulate_nulls,
    "many": tabulate_many,
}


if __name__ == "__main__":
    main()
