"""Are regions of a realistic molecule, where everything varies, correlated as they truly are?

Usage: ``python benchmarks/covariance_assembly.py FOLDER [--seeds 5] [--particles 10000] [--sets
DIR] [-o benchmarks/results/covariance_assembly.md]``. Simulates one assembly set a seed into
FOLDER (or takes DIR/asm1, DIR/asm2, ...) and runs `covary` over its particles; what is there
already is used again. The truth is by mass: the mass of each region in the map of each particle's
state, correlated over the particles that are no junk.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np
from synthetic import describe_here

from cryofocus import AssemblySettings, covary, simulate_assembly
from cryofocus.data.grid_map import GridMap
from cryofocus.data.star.document import StarDocument
from cryofocus.workflows.covary.record import RECORD, CovaryRecord
from cryofocus.workflows.machine.machine import Machine

VARYING = ("central_protuberance", "bridge", "l16", "ef_g", "l1_stalk", "trna")
CONSTANT = ("h58", "stalk_base")
SMALL, SIGNIFICANT = 0.05, 0.01


@dataclass(frozen=True)
class Pair:
    """One pair of regions in one set; NaN where undetermined."""

    names: tuple[str, str]
    truth: float
    by_presence: float
    found: float
    low: float
    high: float
    p_value: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--particles", type=int, default=10_000)
    parser.add_argument("--sets", type=Path, help="folder with sets that were simulated before")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="table to write")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    pairs: list[list[Pair]] = []
    constant: list[bool] = []
    for seed in range(1, given.seeds + 1):
        data = (given.sets or given.folder) / f"asm{seed}"
        if not data.exists():
            settings = AssemblySettings(particles=given.particles, seed=seed)
            simulate_assembly(data, settings, threads=given.threads)
        start = time.process_time()
        record = correlate(data, given.folder / f"covary{seed}", given.threads)
        pairs.append(list(compare(data, record)))
        assert record.particle_level is not None
        constant.extend(record.particle_level.varies[len(VARYING) :])
        print(f"seed {seed}: {time.process_time() - start:.0f} CPU s", flush=True)
    text = table(pairs, constant, given.particles)
    print(text)
    if given.output is not None:
        given.output.write_text(text)


def correlate(data: Path, output: Path, threads: int) -> CovaryRecord:
    """Run `covary` over the particles of a set, or read what it found before."""
    if output.exists():
        return CovaryRecord.read(output / RECORD)
    regions = {name: data / "masks" / f"{name}.mrc" for name in VARYING + CONSTANT}
    machine = Machine(threads=threads)
    return covary([data / "particles.star"], regions, output, machine=machine).record


def compare(data: Path, record: CovaryRecord) -> Iterator[Pair]:
    """Put what was found beside the truth, pair by pair."""
    level = record.particle_level
    assert level is not None
    masses, presence = true_correlations(data)

    def number(value: float | None) -> float:
        return np.nan if value is None else value

    for (i, first), (j, second) in combinations(enumerate(VARYING), 2):
        yield Pair(
            names=(first, second),
            truth=float(masses[i, j]),
            by_presence=float(presence[i, j]),
            found=number(level.correlation[i][j]),
            low=number(level.low[i][j]),
            high=number(level.high[i][j]),
            p_value=number(level.p_values[i][j]),
        )


def true_correlations(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of masses and of presences over the particles that are no junk."""
    document = StarDocument.read(data / "truth.star")
    columns = document.numbers(document.blocks[0], ["rlnClassNumber", "cryofocusJunk"])
    of_particle = columns["rlnClassNumber"][columns["cryofocusJunk"] == 0].astype(int) - 1
    rows = list(csv.DictReader((data / "states.csv").read_text().splitlines()))
    inside = [GridMap.read(data / "masks" / f"{name}.mrc").data > 0.5 for name in VARYING]
    maps = [GridMap.read(data / "maps" / row["map"]).data for row in rows]
    masses = np.array([[one[mask].sum(dtype=np.float64) for mask in inside] for one in maps])
    presence = np.array([[float(row[name]) for name in VARYING] for row in rows])
    return np.corrcoef(masses[of_particle].T), np.corrcoef(presence[of_particle].T)


def table(pairs: list[list[Pair]], constant: list[bool], n_particles: int) -> str:
    """Write the table and its summary."""
    of_pair = list(zip(*pairs, strict=True))
    flat = [pair for seed in pairs for pair in seed]
    determined = [pair for pair in flat if np.isfinite(pair.found)]
    errors = [np.nanmedian([abs(one.found - one.truth) for one in own]) for own in of_pair]
    signed = [abs(np.nanmedian([one.found - one.truth for one in own])) for own in of_pair]
    independent = [pair for pair in determined if abs(pair.truth) < SMALL]
    significant = sum(pair.p_value < SIGNIFICANT for pair in independent)
    covered = np.mean([pair.low <= pair.truth <= pair.high for pair in determined])
    lines = [
        "# Which regions of a realistic molecule vary together",
        "",
        f"`simulate assembly`, {n_particles:,} particles of 64 pixels, {len(pairs)} seeds; "
        "`covary` over particles with six regions that vary and two that do not. Truth by mass "
        "in the state maps, beside it that of presences (dark surroundings of one region lie in "
        "the mask of another). `python benchmarks/covariance_assembly.py FOLDER`. "
        f"{describe_here(str(date.today()))}",
        "",
        "| | asked | found |",
        "| --- | --- | --- |",
        f"| largest median error of a pair, absolute | 0.10 | {max(errors):.3f} |",
        f"| largest error of a pair's median | | {max(signed):.3f} |",
        f"| pairs with true correlations below {SMALL} called significant at 1 % | at most 2 of "
        f"100 | {significant} of {len(independent)} |",
        f"| 95 % intervals that hold the truth | at least 0.90 | {covered:.2f} of "
        f"{len(determined)} |",
        f"| undetermined pairs of regions that vary | | {len(flat) - len(determined)} |",
        f"| constant regions that vary | 0 | {sum(constant)} of {len(constant)} |",
        "",
        "| pair | truth | by presence | found, by seed |",
        "| --- | --: | --: | --- |",
    ]
    for own in of_pair:
        truth = np.median([one.truth for one in own])
        presence = np.median([one.by_presence for one in own])
        found = ", ".join(f"{one.found:.2f}" for one in own)
        names = " and ".join(own[0].names)
        lines.append(f"| {names} | {truth:.2f} | {presence:.2f} | {found} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
