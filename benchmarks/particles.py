"""How many particles do classes need? Kappa against the number of particles.

Usage: ``python benchmarks/particles.py FOLDER [--sets NAME=DIR...] [--most N] [--seed N]
[-o benchmarks/results/particles.md]``. Simulates humanoid scenario 2 (four classes) into FOLDER at
each SNR, and classifies the first 1,000, 2,000, 5,000, ... particles, three runs each. What is
there already is used again. A figure comes beside the table.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.figure import Figure
from synthetic import describe_here

from cryofocus import HumanoidSettings, simulate_humanoid
from cryofocus.data.images import ImageReader
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import select_kernels
from cryofocus.maths.statistics import measure_agreement, posterior_kappa
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure, write_figures

SCENARIO, N_CLASSES = 2, 4
SNRS = (0.025, 0.010, 0.006)
NUMBERS = (1_000, 2_000, 5_000, 10_000, 20_000, 40_000)

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", default=[], help="SNR=DIR of sets that are there")
    parser.add_argument("--most", type=int, default=10_000, help="particles of each set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    ready = {float(one.partition("=")[0]): Path(one.partition("=")[2]) for one in arguments.sets}
    rows = []
    for snr in SNRS:
        data = ready.get(snr) or simulate(arguments, snr)
        most = min(arguments.most, len(ParticleSet.read(data / "particles.star")))
        rows += [measure(arguments, data, snr, number) for number in NUMBERS if number <= most]
    if arguments.output:
        arguments.output.write_text(table(rows), encoding="utf-8")
        picture = arguments.output.with_suffix(".png")
        write_figures(picture.parent, {picture.name: partial(draw, rows)})


def measure(arguments: argparse.Namespace, data: Path, snr: float, number: int) -> Row:
    """Classify the first particles of a set, unless that was done before."""
    kept = arguments.folder / f"snr{snr:g}_{number}_seed{arguments.seed}.json"
    if not kept.exists():
        kept.write_text(json.dumps(judge(arguments, data, number) | {"snr": snr}))
    row: Row = json.loads(kept.read_text(encoding="utf-8"))
    print(row, flush=True)
    return row


def simulate(arguments: argparse.Namespace, snr: float) -> Path:
    """Return a set of this benchmark."""
    data: Path = arguments.folder / f"set_snr{snr:g}_{arguments.most}_seed{arguments.seed}"
    if not data.exists():
        settings = HumanoidSettings(
            scenario=SCENARIO, snr=snr, particles=arguments.most, seed=arguments.seed
        )
        simulate_humanoid(data, settings, threads=arguments.threads)
    return data


def judge(arguments: argparse.Namespace, data: Path, number: int) -> Row:
    """Classify and compare with truth and oracle of the same particles."""
    first = np.arange(number)
    particles = ParticleSet.read(data / "particles.star").take(first)
    sphere = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))["focus_sphere"]
    x, y, z, radius = map(float, sphere.split(","))
    mask = FocusMask.from_sphere(
        (x, y, z, radius), particles.box, particles.pixel_size_angstrom, soft_edge_angstrom=8
    )
    settings = ClassifierSettings(n_classes=N_CLASSES, seed=arguments.seed)
    classifier = FocusedClassifier(settings, select_kernels("cpu", arguments.threads))
    result = classifier.fit(particles, ImageReader(particles), mask)
    document = StarDocument.read(data / "truth.star")
    truth = document.numbers(document.blocks[0], ["rlnClassNumber"])["rlnClassNumber"]
    truth = truth[first].astype(int) - 1
    agreement = measure_agreement(result.labels, truth, N_CLASSES)
    return {
        "particles": number,
        "kappa": agreement.kappa,
        "oracle": posterior_kappa(np.load(data / "oracle_focused.npy")[first], truth),
        "said": result.mean_highest_posterior,
        "right": agreement.fraction_correct,
        "found": len(result.effective_classes) if result.classes_found else 0,
    }


def table(rows: list[Row]) -> str:
    """Write the table."""
    lines = [
        "# Kappa against the number of particles",
        "",
        "Humanoid scenario 2 (box 80, four classes), best of three runs on the first particles "
        "of one set at each SNR. The oracle knows every map. Where fewer than four classes are "
        "found, probabilities are of these, and no more than their share can be right about "
        "four. Made by `benchmarks/particles.py`.",
        describe_here(date.today().isoformat()),
        "",
        "![kappa](particles.png)",
        "",
        "| SNR | particles | classes found | kappa | oracle | said | right |",
        "| --: | --: | --- | --: | --: | --: | --: |",
    ]
    for row in rows:
        scores = " | ".join(f"{row[name]:.3f}" for name in ("kappa", "oracle", "said", "right"))
        found = row["found"] or "none"
        lines.append(f"| {row['snr']:.3f} | {row['particles']:,} | {found} | {scores} |")
    return "\n".join(lines) + "\n"


def draw(rows: list[Row]) -> Figure:
    """Draw kappa and the oracle's for each SNR."""
    figure = new_figure(3.4, gap=0.0)
    panel = figure.add_subplot()
    for number, snr in enumerate(SNRS, start=1):
        own = [row for row in rows if row["snr"] == snr]
        at = [row["particles"] for row in own]
        colour = style.class_colour(number)
        panel.plot(at, [row["kappa"] for row in own], "o-", color=colour, label=f"SNR {snr:.3f}")
        panel.plot(at, [row["oracle"] for row in own], "--", color=colour)
    panel.set(xscale="log", xlabel="particles", ylabel="kappa", ylim=(0, 1))
    numbers = sorted({row["particles"] for row in rows})
    panel.set_xticks(numbers, [f"{number:,}" for number in numbers])
    panel.minorticks_off()
    figure.legend(loc="outside right upper", title="dashed: best possible")
    return figure


if __name__ == "__main__":
    main()
