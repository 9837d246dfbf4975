"""Are tables that are right called wrong, and tables that are wrong told?

Usage: ``python benchmarks/misfits.py FOLDER [--sets N] [--first N] [--ways N] [--models MODEL...]
[-o benchmarks/results/misfits.md]``. Every set is a random one of humanoids, of assembling
ribosomes, or of the atomic models given: 150 to 3,000 images of any quality, in one to three
optics groups, poses mostly off by a degree or two. It is judged as it is, and told wrongly in a
few ways. What was judged before is kept in FOLDER.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from synthetic import describe_here

from cryofocus import AssemblySettings, HumanoidSettings, simulate_assembly, simulate_humanoid
from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.match import choose_bands, join_matches
from cryofocus.consensus.misfits.alternatives import (
    DEGREES_PER_RADIAN,
    with_defocus,
    with_defocus_angle,
    with_frequencies,
    with_pixels_of_all,
    with_shifts,
)
from cryofocus.consensus.misfits.check import TableCheck, check_table
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.consensus.resolution import resolved_shells
from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from cryofocus.kernels.select import select_kernels
from cryofocus.simulate.model_states import ModelSettings
from cryofocus.workflows.simulate.model import simulate_models

KERNELS = select_kernels("cpu", 1)
SMALLEST, LARGEST, FIELD_ANGSTROM = 150, 3000, 400.0
RIGHT = "right"

Row = dict[str, Any]
Change = Callable[[ParticleSet, np.random.Generator], ParticleSet]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", type=int, default=240)
    parser.add_argument("--first", type=int, default=1, help="seed of the first set")
    parser.add_argument("--ways", type=int, default=3, help="in which each set is told wrongly")
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="of one molecule")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    makers = [make_humanoid, make_assembly]
    if len(arguments.models) > 1:
        makers.append(lambda folder, rng: make_models(folder, rng, arguments.models))
    rows: list[Row] = []
    for seed in range(arguments.first, arguments.first + arguments.sets):
        kept = arguments.folder / f"set{seed}.json"
        if not kept.exists():
            kept.write_text(
                json.dumps(judge_set(makers[seed % len(makers)], seed, arguments.ways))
            )
        found = json.loads(kept.read_text(encoding="utf-8"))
        rows += found
        print(*(line(row) for row in found), sep="\n", flush=True)
    if arguments.output:
        arguments.output.write_text(table(rows), encoding="utf-8")


def line(row: Row) -> str:
    """Say in a line what was found."""
    return f"{row['seed']} {row['set']}: {row['told']}: {', '.join(row['found']) or 'silent'}"


Maker = Callable[[Path, np.random.Generator], str]


def judge_set(make: Maker, seed: int, n_ways: int) -> list[Row]:
    """Judge a random set as it is, and told wrongly in some ways."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as scratch:
        name = make(Path(scratch) / "set", rng)
        particles = _grouped(ParticleSet.read(Path(scratch) / "set" / "particles.star"), rng)
        ways = rng.permutation(list(MISTAKES))[:n_ways].tolist()
        told = {RIGHT: particles} | {way: MISTAKES[way](particles, rng) for way in ways}
        return [
            {"seed": seed, "set": name, "told": way, "found": findings_of(check(one))}
            for way, one in told.items()
        ]


def make_humanoid(folder: Path, rng: np.random.Generator) -> str:
    """Simulate humanoids of any scenario."""
    box, n, snr = _size(rng), _number(rng), _between(rng, 0.004, 0.2)
    scenario, errors = int(rng.integers(1, 4)), _errors(rng)
    settings = HumanoidSettings(
        scenario=scenario,
        snr=snr,
        geometry=str(rng.choice(["standard", "slim", "stocky"])),
        particles=n,
        seed=int(rng.integers(1 << 30)),
        box=box,
        pixel_size_angstrom=FIELD_ANGSTROM / box * 1.05,
        **errors,
    )
    simulate_humanoid(folder, settings, threads=1)
    return f"humanoid, {n} of box {box}, SNR {snr:.3f}, {_describe(errors)}"


def make_assembly(folder: Path, rng: np.random.Generator) -> str:
    """Simulate assembling ribosomes, junk and wrong CTFs among them."""
    box, n, correlation = _size(rng), _number(rng), float(rng.uniform(0.08, 0.45))
    junk, preferred = (float(rng.choice(of)) for of in ((0, 0.08, 0.3), (0, 0.6, 0.95)))
    errors = _errors(rng)
    settings = AssemblySettings(
        correlation=correlation,
        junk_share=junk,
        preferred_share=preferred,
        particles=n,
        seed=int(rng.integers(1 << 30)),
        box=box,
        **errors,
    )
    simulate_assembly(folder, settings, threads=1)
    said = f"correlation {correlation:.2f}, junk {junk:g}, preferred {preferred:g}"
    return f"assembly, {n} of box {box}, {said}, {_describe(errors)}"


def make_models(folder: Path, rng: np.random.Generator, models: list[Path]) -> str:
    """Simulate two states of an atomic model."""
    box, n, snr, errors = _size(rng), _number(rng), _between(rng, 0.004, 0.07), _errors(rng)
    settings = ModelSettings(
        snr=snr,
        particles=n,
        seed=int(rng.integers(1 << 30)),
        box=box,
        pixel_size_angstrom=FIELD_ANGSTROM / box,
        **errors,
    )
    two = [models[k] for k in rng.permutation(len(models))[:2]]
    simulate_models(two, folder, settings, threads=1)
    return f"models, {n} of box {box}, SNR {snr:.3f}, {_describe(errors)}"


def _size(rng: np.random.Generator) -> int:
    return int(rng.choice([32, 36, 40, 48, 56, 64]))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _number(rng: np.random.Generator) -> int:
    return round(_between(rng, SMALLEST, LARGEST))


def _errors(rng: np.random.Generator) -> dict[str, float]:
    degrees, angstrom = [(0, 0), (1, 1), (2, 2), (5, 4)][rng.choice(4, p=[0.2, 0.3, 0.35, 0.15])]
    return {"perturb_angle_degrees": degrees, "perturb_shift_angstrom": angstrom}


def _describe(errors: dict[str, float]) -> str:
    degrees, angstrom = errors.values()
    return f"poses off by {degrees:g} degrees and {angstrom:g} Å"


def _grouped(particles: ParticleSet, rng: np.random.Generator) -> ParticleSet:
    """Deal micrographs to optics groups; let defoci be less accurate."""
    n_groups = int(rng.integers(1, 4))
    one, ctf, n = particles.optics[0], particles.ctf, len(particles)
    optics = tuple(replace(one, number=k + 1, name=f"group{k + 1}") for k in range(n_groups))
    wrong = rng.normal(0, rng.choice([0, 100, 300]), n)
    ctf = replace(
        ctf,
        defocus_u_angstrom=ctf.defocus_u_angstrom + wrong,
        defocus_v_angstrom=ctf.defocus_v_angstrom + wrong,
    )
    groups = (particles.micrograph_of_particle % n_groups).astype(np.int32)
    return replace(particles, optics=optics, optics_of_particle=groups, ctf=ctf)


def _in_pixels(particles: ParticleSet, rng: np.random.Generator) -> ParticleSet:
    del rng
    return with_shifts(particles, 1 / particles.pixel_size_angstrom)


def _in_angstrom(particles: ParticleSet, rng: np.random.Generator) -> ParticleSet:
    del rng
    return with_shifts(particles, particles.pixel_size_angstrom)


def _permuted(particles: ParticleSet, rng: np.random.Generator) -> ParticleSet:
    order = rng.permutation(len(particles))
    return replace(
        particles,
        rotation=particles.rotation[order],
        shift_angstrom=particles.shift_angstrom[order],
        ctf=particles.ctf.take(order),
    )


def _in_one_group(particles: ParticleSet, rng: np.random.Generator) -> ParticleSet:
    """The defoci of every third micrograph, in an optics group of their own, are 1.4 times."""
    del rng
    is_wrong = particles.micrograph_of_particle % 3 == 0
    first = particles.optics[0]
    optics = (first, replace(first, number=2, name="group2"))
    times, ctf = np.where(is_wrong, 1.4, 1.0), particles.ctf
    ctf = replace(
        ctf,
        defocus_u_angstrom=ctf.defocus_u_angstrom * times,
        defocus_v_angstrom=ctf.defocus_v_angstrom * times,
    )
    return replace(particles, optics=optics, optics_of_particle=is_wrong.astype(np.int32), ctf=ctf)


MISTAKES: dict[str, Change] = {
    "shifts in pixels, called Å": _in_pixels,
    "shifts in Å, called pixels": _in_angstrom,
    "shifts of the wrong sign": lambda p, _: with_shifts(p, -1),
    "defocus angle in radians": lambda p, _: with_defocus_angle(p, 1 / DEGREES_PER_RADIAN),
    "pixel size twice the true one, shifts in Å": lambda p, _: with_pixels_of_all(p, 2),
    "pixel size half the true one, shifts in Å": lambda p, _: with_pixels_of_all(p, 0.5),
    "pixel size half the true one, shifts in pixels": lambda p, _: with_frequencies(p, 0.5),
    "defoci 1.4 times": lambda p, _: with_defocus(p, 1.4),
    "defoci a tenth (nm)": lambda p, _: with_defocus(p, 0.1),
    "defoci of one group of three 1.4 times": _in_one_group,
    "rows in another order": _permuted,
}
NAMED = {
    "shifts": "shift",
    "defocus": "defocus",
    "pixel": "pixel size",
    "defoci": "defocus",
    "rows": "ball",
}


def check(particles: ParticleSet) -> TableCheck:
    """Check a table as `classify` does."""
    half_set, _ = assign_half_sets(particles, 0)
    images = open_images(particles, reader=ImageReader(particles))
    consensus = estimate_consensus(images, half_set, KERNELS)
    n_shells = resolved_shells(consensus)
    background = whole_consensus(consensus, KERNELS)
    band, edges = Band.disc(particles.box, n_shells), choose_bands(consensus, n_shells)
    parts = matched_residuals(background, consensus.image_model, band, edges)
    match = join_matches([part.match for part in parts if part.match is not None])
    return check_table(consensus, match, half_set, KERNELS)


def findings_of(check: TableCheck) -> list[str]:
    """Say shortly what a check found."""
    said = [f"{one.kind} {one.fault} {one.factor:.3g} ({one.gain:.0f})" for one in check.misfits]
    is_ball = check.roundness is not None and check.roundness.is_ball
    return [*said, *["ball"] * is_ball]


def named_in(row: Row) -> bool:
    """Whether the right thing was found."""
    first = row["told"].split()[0]
    wanted = "defocus angle" if "angle" in row["told"] else NAMED[first]
    also = ("pose",) if first == "rows" else ()
    return any(word in found for found in row["found"] for word in (wanted, *also))


def table(rows: list[Row]) -> str:
    """Write the tables."""
    kinds = list(dict.fromkeys(row["set"].split(",")[0] for row in rows))

    def of(kind: str, way: str) -> list[Row]:
        return [row for row in rows if row["set"].split(",")[0] == kind and row["told"] == way]

    n_sets = len({row["seed"] for row in rows})
    lines = [
        "# Tables told rightly and wrongly",
        "",
        f"{n_sets} random sets of 150 to 3,000 images, boxes of 32 to 64, one to three optics "
        "groups, poses exact or off by up to 5 degrees and 4 Å, most by one or two; humanoids at "
        "an SNR of 0.004 to 0.2, models to 0.07, ribosomes with up to 30 % of junk and views "
        "preferred by up to 95 %. Many are too poor to tell, and astigmatism is 300 Å at most. "
        "Number of tables named with what is wrong, and of those with another finding; of right "
        "ones, those with any. Made by `benchmarks/misfits.py`.",
        describe_here(date.today().isoformat()),
        "",
        "| table | " + " | ".join(kinds) + " |",
        "| --- |" + " --- |" * len(kinds),
    ]
    for way in (RIGHT, *MISTAKES):
        cells = [_cell(of(kind, way)) for kind in kinds]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    lines += ["", "Right tables with a finding:", ""]
    lines += [f"- {line(row)}" for row in rows if row["told"] == RIGHT and row["found"]] or [
        "- none"
    ]
    return "\n".join(lines) + "\n"


def _cell(rows: list[Row]) -> str:
    if rows and rows[0]["told"] == RIGHT:
        return f"{sum(bool(row['found']) for row in rows)} of {len(rows)}"
    named = sum(map(named_in, rows))
    other = sum(bool(row["found"]) and not named_in(row) for row in rows)
    return f"{named} of {len(rows)}" + (f", another in {other}" if other else "")


if __name__ == "__main__":
    main()
