"""Are regions that vary together found, and those that do not left alone?

Usage: ``python benchmarks/covariance.py FOLDER [--only QUESTION...] [--sets DIR] [-o
benchmarks/results/covariance.md]``. Simulates humanoid sets of 10,000 particles into FOLDER and
classifies them there; what is there already is used again, so that a run that was cut off goes on
where it stopped. Questions, each with its own part of the table:

particle-level  correlations over particles: scenario 3, and scenario 2 with constant and with
                random feet
class-level     the same over the classes of three runs with different seeds
unit-level      coupling of the units of an expanded set, scenario 1, simulated with 0, 0.5 and 1
independence    of 100 sets of independent posteriors, how many are called dependent at 1 %
variance        do the bootstrap and the subspace find the same peaks, is the sphere in its place
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from synthetic import describe_here

from cryofocus import HumanoidSettings, classify, covary, expand, simulate_humanoid
from cryofocus.covariance.cooccurrence import find_relations, independence_p_values
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.simulate.phantom import PARTS, Phantom, humanoid
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.covary.inputs import CovaryInputs, CovarySettings, read_covary_inputs
from cryofocus.workflows.covary.levels import compare_classes, compare_units
from cryofocus.workflows.covary.record import RECORD, ClassLevel, CovaryRecord, ParticleLevel
from cryofocus.workflows.covary.tables import describe_classes
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.variance.inputs import VarianceSettings
from cryofocus.workflows.variance.maps import bootstrap_order
from cryofocus.workflows.variance.run import variance

REGIONS = ("near_hand", "near_foot", "far_foot")
# In this state every region is full.
PERFECT = "near_up_hand_foot_far_up_hand_foot.mrc"
SNRS = (0.1, 0.025)
SEEDS = (1, 2, 3)
N_NULL, NULL_PARTICLES = 100, 1000
N_BOOTSTRAP, WEAKER = 200, 0.7

Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Plan:
    """Where everything lies, and how large it is."""

    folder: Path
    sets: Path
    particles: int
    threads: int

    def simulated(
        self, name: str, settings: HumanoidSettings, phantom: Phantom | None = None
    ) -> Path:
        """Find a set under its name, or simulate it."""
        ready = self.sets / name
        if not ready.exists():
            ready = self.folder / name
        if not ready.exists():
            simulate_humanoid(ready, settings, phantom=phantom, threads=self.threads)
        return ready

    def humanoid(self, scenario: int, snr: float, *, random_feet: bool) -> tuple[str, Path]:
        """Name and place of a set of a scenario."""
        name = f"s{scenario}{'_random_feet' if random_feet else ''}_{snr:.3f}"
        settings = HumanoidSettings(
            scenario=scenario, snr=snr, particles=self.particles, random_feet=random_feet
        )
        return name, self.simulated(name, settings)

    def masks(self) -> dict[str, Path]:
        """Masks of the regions, which every set of the phantom has in the same place."""
        pattern = self.simulated("pattern", HumanoidSettings(scenario=3, particles=4))
        return {name: pattern / "masks" / f"{name}.mrc" for name in REGIONS}

    def perfect(self) -> Path:
        """Map in which every region is full."""
        return self.masks()[REGIONS[0]].parents[1] / "maps" / PERFECT

    def classified(self, table: Path, data: Path, n_classes: int, seed: int) -> Path:
        """Classify a set around its focus sphere."""
        output = self.folder / f"{data.name}_run{seed}"
        sphere = yaml.safe_load((data / "dataset.yaml").read_text())["focus_sphere"]
        request = ClassifyRequest(
            **{
                "particles": table,
                "focus": tuple(float(number) for number in sphere.split(",")),
                "threads": self.threads,
                "settings": {"n_classes": n_classes, "n_runs": 1, "seed": seed},
            }
        )
        if not (output / "job.json").exists():
            classify(request, output, overwrite=output.exists())
        return output

    def over_particles(self, name: str, data: Path) -> ParticleLevel:
        """Correlate the regions of a table's particles."""
        output = self.folder / f"{name}_covary"
        if output.exists():
            record = CovaryRecord.read(output / RECORD)
        else:
            machine = Machine(threads=self.threads)
            made = covary([data / "particles.star"], self.masks(), output, machine=machine)
            record = made.record
        assert record.particle_level is not None
        return record.particle_level

    def inputs(self, runs: list[Path]) -> tuple[CovaryInputs, CovarySettings]:
        """Read runs, for one level of the comparison alone."""
        settings = CovarySettings(perfect=self.perfect())
        return read_covary_inputs(runs, self.masks(), settings), settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--sets", type=Path, help="folder with sets that were simulated before")
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="table to write")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(given.folder, given.sets or given.folder, given.particles, given.threads)
    for question in given.only:
        start, rows = time.process_time(), []
        for row in QUESTIONS[question](plan):
            print(*row, sep=" | ", flush=True)
            rows.append(row)
        print(f"{question}: {time.process_time() - start:.0f} CPU s", flush=True)
        answer = {"particles": plan.particles, "rows": rows}
        (given.folder / f"{question}.json").write_text(json.dumps(answer))
    if given.output is not None:
        given.output.write_text(table(plan))


def compare_particles(plan: Plan) -> Iterator[Row]:
    for name, scenario, data in cases(plan):
        yield from level_rows(name, scenario, plan.over_particles(name, data))


def compare_maps(plan: Plan) -> Iterator[Row]:
    for name, scenario, data in cases(plan):
        table = data / "particles.star"
        runs = [plan.classified(table, data, 4, seed) for seed in SEEDS]
        inputs, settings = plan.inputs(runs)
        found = compare_classes(inputs, settings, SilentProgress())
        level = describe_classes(found, inputs.runs)
        yield from level_rows(name, scenario, level)
        for region, spread, error in zip(REGIONS, level.spread, level.error, strict=True):
            limit = "at most 0.05" if region in constant_regions(scenario) else "–"
            shown = f"{spread:.3f} (error {error:.3f})"
            yield name, f"range of {region} over classes", limit, shown


def compare_mates(plan: Plan) -> Iterator[Row]:
    for snr in SNRS:
        for coupling in (0.0, 0.5, 1.0):
            name = f"units_{coupling:g}_{snr:.3f}"
            settings = HumanoidSettings(
                scenario=1, snr=snr, particles=plan.particles, coupling=coupling
            )
            data = plan.simulated(name, settings)
            table = data / "expanded.star"
            if not table.exists():
                expand(data / "particles.star", OperatorSet.point_group("C2"), table)
            run = plan.classified(table, data, 2, SEEDS[0])
            ((_, _, unit),) = compare_units(*plan.inputs([run]))
            found = f"{unit.coupling:.3f} ± {unit.coupling_error:.3f}, p {unit.p_value:.2g}"
            yield name, "coupling", f"{coupling:g} to 0.05", found


def test_independence(plan: Plan) -> Iterator[Row]:
    """Posteriors of independent units, blurred as by images of some noise."""
    for n_classes, separation in ((2, 1.5), (4, 1.0)):
        false, relation = 0, find_relations(2, None)[0]
        for seed in range(N_NULL):
            generator = np.random.default_rng([seed, n_classes])
            label = generator.integers(n_classes, size=(NULL_PARTICLES, 2))
            evidence = separation * np.eye(n_classes)[label]
            evidence += generator.standard_normal(evidence.shape)
            posterior = np.exp(separation * evidence)
            posterior /= posterior.sum(axis=2, keepdims=True)
            likelihood = posterior / posterior.mean(axis=(0, 1))
            false += independence_p_values(likelihood, relation, generator)[0] < 0.01
        what = "independent units called dependent at 1 %"
        yield f"{n_classes} classes", what, "at most 4", f"{false} of {N_NULL}"


def compare_variances(plan: Plan) -> Iterator[Row]:
    """Two arms of which one is weaker: its peaks have to come last."""
    full = humanoid()
    weaker = np.array([name.startswith("far_") for name in PARTS])[full.part]
    unequal = replace(full, weight=np.where(weaker, WEAKER * full.weight, full.weight))
    name = "s1_unequal_0.100"
    settings = HumanoidSettings(scenario=1, particles=plan.particles)
    data = plan.simulated(name, settings, unequal)
    wanted, machine = VarianceSettings(n_bootstrap=N_BOOTSTRAP), Machine(threads=plan.threads)
    output = plan.folder / "variance"
    result = variance(data / "particles.star", output, wanted, machine=machine, overwrite=True)
    farthest = max(peak.distance_angstrom or 0.0 for peak in result.peaks)
    yield name, "bootstrap's peaks from the variance's", "same place", f"at most {farthest:.1f} Å"
    ranks = bootstrap_order(result.peaks)
    yield name, "ranks of the peaks by bootstrap", "same order", ", ".join(map(str, ranks))
    for number, peak in enumerate(result.peaks, start=1):
        found = f"{peak.variance:.3g}; {peak.bootstrap_variance:.3g}"
        yield name, f"peak {number}: variance; by bootstrap", "", found
    sphere = yaml.safe_load((data / "dataset.yaml").read_text())["focus_sphere"].split(",")
    truth = np.array([float(number) for number in sphere[:3]])
    distance = min(np.linalg.norm(np.array(p.sphere[:3]) - truth) for p in result.proposals)
    yield name, "proposed sphere from the true one", "within 15 Å", f"{distance:.1f} Å"


def cases(plan: Plan) -> Iterator[tuple[str, str, Path]]:
    for snr in SNRS:
        for scenario, random_feet in ((3, False), (2, False), (2, True)):
            name, data = plan.humanoid(scenario, snr, random_feet=random_feet)
            yield name, name[: name.rindex("_")], data


def constant_regions(scenario: str) -> tuple[str, ...]:
    """Regions that are independent of the classes."""
    return ("far_foot",) if scenario == "s3" else ("near_foot", "far_foot")


def level_rows(name: str, scenario: str, level: ClassLevel | ParticleLevel) -> Iterator[Row]:
    for i, j in ((0, 1), (0, 2), (1, 2)):
        value, low, high = (m[i][j] for m in (level.correlation, level.low, level.high))
        found = "undetermined"
        if value is not None:
            found = f"{value:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")
            if isinstance(level, ParticleLevel):
                found += f", p {level.p_values[i][j]:.2g}"
        yield name, f"{REGIONS[i]} and {REGIONS[j]}", asked(scenario, (i, j), level), found


def asked(scenario: str, pair: tuple[int, int], level: ClassLevel | ParticleLevel) -> str:
    over_particles = isinstance(level, ParticleLevel)
    if scenario == "s3" and pair == (0, 1):
        return "at least 0.9, p < 0.001" if over_particles else "at least 0.95, not 0"
    if over_particles:
        return "undetermined" if scenario == "s2" else "within 0.05 of 0, not significant"
    return "undetermined, or 0 in the interval"


def table(plan: Plan) -> str:
    lines = [
        "# Which regions vary together",
        "",
        "Box 80, 5.24 Å per pixel; `s3`: each foot present when "
        "the hand of its side is, `s2`: feet always present, `s2_random_feet`: at random. "
        "The number after each name is the SNR. Intervals are 95 %.",
        describe_here(date.today().isoformat()),
    ]
    for question in QUESTIONS:
        path = plan.folder / f"{question}.json"
        if path.exists():
            answer = json.loads(path.read_text())
            lines += ["", f"## {question}, {answer['particles']:,} particles per set", ""]
            lines += ["| set | | expected | found |", "| --- " * 4 + "|"]
            lines += [f"| {' | '.join(row)} |" for row in answer["rows"]]
    return "\n".join([*lines, ""])


QUESTIONS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "particle-level": compare_particles,
    "class-level": compare_maps,
    "unit-level": compare_mates,
    "independence": test_independence,
    "variance": compare_variances,
}


if __name__ == "__main__":
    main()
