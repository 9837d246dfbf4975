"""What do the matrices of structural covariance look like, drawn as published and as ours?

Usage: ``python benchmarks/covariance_figures.py FOLDER [--particles 10000] [--seeds 1 ...]
[--snr 0.1] [--strategy residual|mask2d] [-o benchmarks/results/covariance_figures.md]``. For each
seed simulates humanoid scenario 2 with constant and with random feet, and scenario 3, into FOLDER,
classifies each three times from random starts, and writes the correlation of four regions and a
constant one over the classes: plain, as the publication defines it; with what does not vary called
undetermined; and over the particles. What is there already is used again. A figure comes beside
the table, of the first seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from matplotlib.figure import Figure
from synthetic import describe_here

from cryofocus import HumanoidSettings, make_sphere_mask, simulate_humanoid
from cryofocus.covariance.classes import match_states
from cryofocus.data.volume import read_volume
from cryofocus.report.drawing.slices import contour_level
from cryofocus.report.figures.style import drawing, new_figure, write_png
from cryofocus.simulate.phantom import MOVING_REGIONS
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.covary.record import RECORD, CovaryRecord
from cryofocus.workflows.covary.run import covary
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.run.directory import RunDirectory

REGIONS = (*(name for name in MOVING_REGIONS if "arm" not in name), "constant")
N_CLASSES, START_SEEDS = 4, (1, 2, 3)
SETS = {
    "scenario 2, feet constant": {"scenario": 2},
    "scenario 2, feet at random": {"scenario": 2, "random_feet": True},
    "scenario 3": {"scenario": 3},
}
LEVELS = ("classes, plain", "classes", "particles")
PANEL_INCHES, ALMOST_BLACK = 2.6, 0.6
ASKED = (("near_hand", "near_foot"), ("near_hand", "far_hand"), ("near_foot", "constant"))

Matrix = list[list[float | None]]


@dataclass(frozen=True)
class Answer:
    """What one set gives.

    Attributes:
        matrices: By level; None where undetermined.
        change_percent: How far each region's plain mass goes over the classes, of its mean.
    """

    matrices: dict[str, Matrix]
    change_percent: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--strategy", choices=("residual", "mask2d"), default="residual")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="table to write")
    given = parser.parse_args()
    answers = {
        (name, seed): measure(given, f"{name.replace(', ', '_').replace(' ', '_')}_{seed}", asked)
        for seed in given.seeds
        for name, asked in ({k: {**v, "seed": seed} for k, v in SETS.items()}).items()
    }
    if given.output is not None:
        given.output.write_text(table(given, answers), encoding="utf-8")
        first = {name: answers[name, given.seeds[0]] for name in SETS}
        with drawing():
            write_png(given.output.with_suffix(".png"), draw(first), 110)


def measure(given: argparse.Namespace, name: str, asked: dict[str, object]) -> Answer:
    """Simulate a set, classify it three times, and correlate its regions in three ways."""
    kept = given.folder / f"{name}_{given.strategy}.json"
    if kept.exists():
        return Answer(**json.loads(kept.read_text()))
    data = given.folder / name
    if not data.exists():
        settings = HumanoidSettings(particles=given.particles, snr=given.snr, **asked)
        simulate_humanoid(data, settings, threads=given.threads)
    said = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
    masks = {region: data / "masks" / f"{region}.mrc" for region in REGIONS}
    sphere = tuple(float(number) for number in said["control_sphere"].split(","))
    make_sphere_mask(sphere, data / "maps" / said["maps"][0], masks["constant"], overwrite=True)
    runs = [classified(given, data, seed, said["focus_sphere"]) for seed in START_SEEDS]
    plain, change = correlate_plainly(runs, list(masks.values()))
    record = correlate([run.path for run in runs], masks, given, f"{name}_classes")
    by_class, by_particle = record.class_level, record.particle_level
    assert by_class is not None
    assert by_particle is not None
    found = (plain.tolist(), by_class.correlation, by_particle.correlation)
    matrices = {level: [list(row) for row in m] for level, m in zip(LEVELS, found, strict=True)}
    answer = Answer(matrices, change.tolist())
    kept.write_text(json.dumps(vars(answer)))
    return answer


def classified(given: argparse.Namespace, data: Path, seed: int, sphere: str) -> RunDirectory:
    """Classify a set from a random start of its own."""
    output = given.folder / f"{data.name}_{given.strategy}_run{seed}"
    if (output / "job.json").exists():
        return RunDirectory.open(output)
    settings = {"n_classes": N_CLASSES, "n_runs": 1, "seed": seed, "start": "random"}
    request = ClassifyRequest.model_validate(
        {
            "particles": data / "particles.star",
            "focus": tuple(float(number) for number in sphere.split(",")),
            "threads": given.threads,
            "settings": {**settings, "strategy": given.strategy},
        }
    )
    return classify(request, output, overwrite=output.exists())


def correlate_plainly(
    runs: Sequence[RunDirectory], masks: Sequence[Path]
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate masses over classes as published: R_ij = C_ij / sqrt(C_ii C_jj).

    Classes are matched over the runs and their maps averaged; the mass of a region is the density
    above the map's contour inside a hard mask.

    Returns:
        The matrix, and by how many per cent of its mean each region's mass changes.
    """
    posteriors = [np.load(run.posteriors).astype(np.float64) for run in runs]
    states = match_states(posteriors)
    inside = [read_volume(path).data > 0.5 for path in masks]
    masses = []
    for state in range(N_CLASSES):
        maps = [
            read_volume(run.class_map(int(np.flatnonzero(own == state)[0]) + 1)).data
            for run, own in zip(runs, states, strict=True)
        ]
        mean = np.mean(maps, axis=0)
        shown = np.where(mean > contour_level(mean), mean, 0.0)
        masses.append([float(shown[region].sum()) for region in inside])
    values = np.array(masses)
    return np.corrcoef(values.T), 100 * np.ptp(values, axis=0) / values.mean(axis=0)


def correlate(
    sources: list[Path], masks: dict[str, Path], given: argparse.Namespace, name: str
) -> CovaryRecord:
    """Correlate regions over classes and particles, what does not vary called undetermined."""
    output = given.folder / f"{name}_{given.strategy}"
    if output.exists():
        return CovaryRecord.read(output / RECORD)
    return covary(sources, masks, output, machine=Machine(threads=given.threads)).record


def table(given: argparse.Namespace, answers: dict[tuple[str, int], Answer]) -> str:
    """Return the page: pairs that the question is about, then every matrix."""
    lines = [
        "# Structural covariance, as published and as ours",
        "",
        f"{given.particles:,} particles, box 80, SNR {given.snr:g}, {N_CLASSES} classes "
        f"(`{given.strategy}`) in the focus sphere around the near arm, three runs from random "
        "starts. Truth: in scenario 3 each foot is there exactly when the hand of its side is; "
        "otherwise nothing is correlated. Made by `benchmarks/covariance_figures.py`.",
        describe_here(date.today().isoformat()),
        "",
        f"| set | seed | pair | {' | '.join(LEVELS)} | masses change by |",
        "| --- " * (len(LEVELS) + 4) + "|",
    ]
    for (name, seed), answer in answers.items():
        for first, second in ASKED:
            i, j = REGIONS.index(first), REGIONS.index(second)
            cells = " | ".join(shown(answer.matrices[level][i][j]) for level in LEVELS)
            change = f"{answer.change_percent[i]:.1f} %, {answer.change_percent[j]:.1f} %"
            pair = f"{first} and {second}"
            lines.append(f"| {name} | {seed} | {pair} | {cells} | {change} |")
    figure = given.output.with_suffix(".png").name
    return "\n".join([*lines, "", f"![Matrices of the first seed]({figure})", ""])


def shown(value: float | None) -> str:
    """Return a correlation, or that there is none to speak of."""
    return "undetermined" if value is None else f"{value:.2f}"


def draw(answers: dict[str, Answer]) -> Figure:
    """Draw every matrix with its numbers; grey stands for undetermined."""
    figure = new_figure(PANEL_INCHES * len(answers), gap=0.08)
    panels = figure.subplots(len(answers), len(LEVELS), squeeze=False)
    for (name, answer), row in zip(answers.items(), panels, strict=True):
        for panel, level in zip(row, LEVELS, strict=True):
            values = np.array(answer.matrices[level], np.float64)
            panel.set_facecolor("0.8")
            panel.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
            for (i, j), value in np.ndenumerate(values):
                colour = "white" if abs(value) > ALMOST_BLACK else "black"
                text = "–" if np.isnan(value) else f"{value:.2f}"
                panel.text(j, i, text, ha="center", va="center", fontsize=6, color=colour)
            names = [region.replace("_", "\n") for region in REGIONS]
            panel.set_xticks(range(len(REGIONS)), names, fontsize=6)
            panel.set_yticks(range(len(REGIONS)), names, fontsize=6)
            panel.grid(visible=False)
            panel.set_title(f"{name}: {level}", fontsize=8)
    return figure


if __name__ == "__main__":
    main()
