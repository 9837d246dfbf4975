"""Does the arm keep its classes where feet come and go and the head swings?

Usage: ``python benchmarks/swinging_head.py FOLDER [--particles N] [--snr X...] [--seeds N...]
[-o benchmarks/results/swinging_head.md]``. Simulates humanoid scenario 2 with feet at random, once
with the head at rest and once swinging about the neck, and classifies around the near arm with
both backgrounds. What is in FOLDER already is used again. The oracles know where each head is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from synthetic import describe_here

from cryofocus import HumanoidSettings, classify, simulate_humanoid
from cryofocus.data.star.document import StarDocument
from cryofocus.maths.statistics import measure_agreement
from cryofocus.simulate import image_formation
from cryofocus.simulate.image_formation import Camera, Specimens
from cryofocus.simulate.phantom import Phantom
from cryofocus.workflows.simulate import humanoid

# Above the shoulders; about the neck; to the sides.
HEAD_ABOVE_ANGSTROM, PIVOT_ANGSTROM = 70.0, np.array([0.0, 0.0, 72.0])
SWING_DEGREES = 15.0
BACKGROUNDS = ("rigid", "flexible")

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--snr", type=float, nargs="+", default=[0.1, 0.025])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for snr in arguments.snr:
        for seed in arguments.seeds:
            for swing in (0.0, SWING_DEGREES):
                rows += measure(arguments, snr, seed, swing)
    if arguments.output:
        arguments.output.write_text(table(rows, arguments.particles), encoding="utf-8")


def measure(arguments: argparse.Namespace, snr: float, seed: int, swing: float) -> Iterator[Row]:
    """Yield the result of both backgrounds on one set."""
    name = f"snr{snr:g}_seed{seed}_swing{swing:g}"
    data = arguments.folder / name
    if not data.exists():
        settings = HumanoidSettings(
            scenario=2, snr=snr, particles=arguments.particles, seed=seed, random_feet=True
        )
        arguments.folder.mkdir(parents=True, exist_ok=True)
        with patch.object(humanoid, "project_chunk", Swinging(swing, seed)):
            simulate_humanoid(data, settings, threads=arguments.threads)
    for background in BACKGROUNDS:
        kept = arguments.folder / f"{name}_{background}.json"
        if not kept.exists():
            row = judge(arguments, data, background) | {"snr": snr, "seed": seed, "swing": swing}
            kept.write_text(json.dumps(row), encoding="utf-8")
        row = json.loads(kept.read_text(encoding="utf-8"))
        print(row, flush=True)
        yield row


def judge(arguments: argparse.Namespace, data: Path, background: str) -> Row:
    """Classify a set and compare it with its truth."""
    said = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
    run = classify(
        data / "particles.star",
        arguments.folder / f"{data.name}_{background}",
        focus=tuple(map(float, said["focus_sphere"].split(","))),
        classes=4,
        background=background,
        threads=arguments.threads,
        overwrite=True,
    )
    document = StarDocument.read(data / "truth.star")
    truth = document.numbers(document.blocks[0], ["rlnClassNumber"])["rlnClassNumber"] - 1
    agreement = measure_agreement(run.labels, truth.astype(int), 4)
    return {
        "background": background,
        "kappa": agreement.kappa,
        "right": agreement.fraction_correct,
        "said": float(run.posteriors.max(axis=1).mean()),
        "oracle": said["oracle_focused_kappa"],
    }


class Swinging:
    """`project_chunk` with a head that turns by a normal angle about the neck."""

    def __init__(self, sd_degrees: float, seed: int) -> None:
        self.sd_degrees, self.seed = sd_degrees, seed

    def __call__(
        self, phantom: Phantom, specimens: Specimens, camera: Camera, rows: slice
    ) -> np.ndarray:
        is_head = (phantom.part == 0) & (phantom.centre_angstrom[:, 2] > HEAD_ABOVE_ANGSTROM)
        parts = image_formation.project_chunk(pick(phantom, ~is_head), specimens, camera, rows)
        angles = np.random.default_rng([self.seed, 0x5E]).normal(
            0, self.sd_degrees, len(specimens)
        )
        turn = turns(np.deg2rad(angles[rows]))
        # A head that turns by T about p, seen along A: A (T (x - p) + p) = A T (x - p) + A p.
        head = pick(phantom, is_head)
        head = replace(head, centre_angstrom=head.centre_angstrom - PIVOT_ANGSTROM)
        seen = specimens.rotation[rows]
        rotation, shift = specimens.rotation.copy(), specimens.shift_angstrom.copy()
        rotation[rows] = seen @ turn
        # A table's origin is where the particle has to move from.
        shift[rows] -= (seen @ PIVOT_ANGSTROM)[:, :2]
        moved = replace(specimens, rotation=rotation, shift_angstrom=shift)
        parts[:, 0] += image_formation.project_chunk(head, moved, camera, rows)[:, 0]
        return parts


def pick(phantom: Phantom, which: np.ndarray) -> Phantom:
    """Return some of the beads."""
    names = ("centre_angstrom", "sigma_angstrom", "weight", "part")
    return replace(phantom, **{name: getattr(phantom, name)[which] for name in names})


def turns(angles: np.ndarray) -> np.ndarray:
    """Return rotations about y."""
    cosine, sine = np.cos(angles), np.sin(angles)
    zero, one = np.zeros_like(angles), np.ones_like(angles)
    rows = [[cosine, zero, sine], [zero, one, zero], [-sine, zero, cosine]]
    return np.moveaxis(np.array(rows), 2, 0)


def table(rows: list[Row], particles: int) -> str:
    """Write the table."""
    lines = [
        "# A head that swings, feet that come and go",
        "",
        f"Humanoid scenario 2, feet at random, {particles:,} particles of box 80, K = 4, three "
        "runs, focus on the near arm. The focused oracle knows where each head is. Made by "
        "`benchmarks/swinging_head.py`.",
        describe_here(date.today().isoformat()),
        "",
        "| SNR | seed | swing (degrees) | background | kappa | oracle | said | right |",
        "| --: | --: | --: | --- | --: | --: | --: | --: |",
    ]
    for row in rows:
        scores = " | ".join(f"{row[name]:.3f}" for name in ("kappa", "oracle", "said", "right"))
        lines.append(
            f"| {row['snr']:g} | {row['seed']} | {row['swing']:g} | {row['background']} "
            f"| {scores} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
