"""What does a simulated set cost, and does it grow with the box?

The same 150 particles over the same 419 Å, in boxes from 80 to 512 pixels: `cryofocus simulate
humanoid` from the start of the process to the finished directory, and the assembling ribosome at
the box of its benchmark and in others; or particles of atomic models. Processor time counts all
threads, and the system's for writing maps.

Usage: ``python benchmarks/simulate.py [--boxes 80 384 ...] [--assembly-boxes 256 384]
[--particles 150] [--models PDB PDB] [--label NAME] [--append]
[-o benchmarks/results/simulate.md]`` (two minutes). ``--append`` adds rows to a table, for
instance of another version of the code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from synthetic import describe_here

EXTENT_ANGSTROM = 419.2
PROGRAM = "import sys; from cryofocus.cli.main import main; sys.exit(main())"


def commands(asked: argparse.Namespace) -> dict[str, list[str]]:
    """Return what is run, by what it shows."""
    boxes, particles, models = asked.boxes, asked.particles, asked.models

    def sampling(box: int) -> tuple[str, ...]:
        return "--box", str(box), "--pixel-size", f"{EXTENT_ANGSTROM / box:.4f}"

    common = ["--particles", str(particles), "--threads", "1", "--seed", "1"]
    words = ["model", *models] if models else ["humanoid", "--scenario", "1"]
    name = f"{len(models)} models" if models else "humanoid"
    made = {
        f"{name}, box {box}": [
            *("simulate", *words, "--snr", "0.025", *sampling(box), *common),
        ]
        for box in boxes
    }
    if models:
        return made
    made["assembly, box 64"] = ["simulate", "assembly", *common]
    large = {
        f"assembly, box {box}": ["simulate", "assembly", *sampling(box), *common]
        for box in asked.assembly_boxes
    }
    return made | large


def run(words: list[str], output: Path) -> tuple[float, float, float]:
    """Run a command; return processor seconds, seconds, and peak memory in GB."""
    start = time.perf_counter()
    words = [sys.executable, "-c", PROGRAM, *words, "-o", str(output)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1e6


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, nargs="*", default=[80, 160, 256, 384, 512])
    parser.add_argument("--assembly-boxes", type=int, nargs="*", default=[256, 384])
    parser.add_argument("--particles", type=int, default=150)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--label", default="now")
    parser.add_argument("--append", action="store_true")
    default = Path(__file__).parent / "results" / "simulate.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    asked = parser.parse_args()
    lines = [
        "# Cost of simulated sets",
        "",
        f"{asked.particles} particles, one thread; humanoid in an extent of "
        f"{EXTENT_ANGSTROM:g} Å, scenario 1, SNR 0.025. "
        "`python benchmarks/simulate.py`.",
        describe_here(date.today().isoformat()),
        "",
        "| code | set | CPU s | wall s | peak GB |",
        "| --- | --- | --: | --: | --: |",
    ]
    if asked.append:
        lines = asked.output.read_text(encoding="utf-8").splitlines()
    made = commands(asked)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, words) in enumerate(made.items()):
            cpu, wall, peak = run(words, Path(folder) / str(number))
            lines.append(f"| {asked.label} | {name} | {cpu:.1f} | {wall:.1f} | {peak:.2f} |")
            print(lines[-1], flush=True)
            asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
