"""Does a set whose statistics are larger than the memory allowed finish, and in what memory?

1,000,000 synthetic particles of box 32 with `--memory 2`, through `classify` and files: the images
of a simulated set of 1,000 under a thousand names. The statistics go to a file in the run
directory; what the process holds besides is the table, poses, CTFs and posteriors of a million
particles. A smaller set, once with most statistics on disk and once with room for everything, says
what the disk costs a cycle and whether the result is the same.

Usage: ``python benchmarks/out_of_core.py FOLDER [--particles 1000000] [--memory 2]
[--control 100000] [-o benchmarks/results/out_of_core.md]`` (half an hour). FOLDER takes
the statistics.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from synthetic import SimulatedSet, describe_here
from whole_job import Measured, run_alone

from cryofocus.workflows.classify.request import ClassifyRequest

BOX, PIXEL_SIZE, IMAGES, N_CLASSES = 32, 13.1, 1000, 2
# About the least that a run accepts, so that most statistics go to disk.
LITTLE_MEMORY_GB, ENOUGH_MEMORY_GB = 0.6, 1000.0


def measure(data: SimulatedSet, folder: Path, n_particles: int, memory_gb: float) -> Measured:
    """Classify so many particles within so much memory."""
    request = ClassifyRequest(
        **{
            "particles": data.repeat(n_particles, folder / f"particles{n_particles}.star"),
            "datadir": folder,
            "focus": data.focus,
            "memory_gb": memory_gb,
            "settings": {"n_classes": N_CLASSES, "n_runs": 1},
        }
    )
    return run_alone(request, folder)


def main() -> None:
    """Measure the set and the control, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--particles", type=int, default=1_000_000)
    options.add_argument("--memory", type=float, default=2.0, help="GB")
    options.add_argument("--control", type=int, default=100_000, help="particles of the control")
    default = Path(__file__).parent / "results" / "out_of_core.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    data = SimulatedSet(given.folder / "images")
    if not data.folder.exists():
        SimulatedSet.make(data.folder, IMAGES, BOX, PIXEL_SIZE)
    far, near = (
        measure(data, given.folder, given.control, memory)
        for memory in (LITTLE_MEMORY_GB, ENOUGH_MEMORY_GB)
    )
    whole = measure(data, given.folder, given.particles, given.memory)
    same = far.job.objective == near.job.objective
    parts = [
        "# Statistics larger than memory",
        f"{given.particles:,} particles of box {BOX}, K = {N_CLASSES}, memory limited to "
        f"{given.memory:g} GB. {describe_here(time.strftime('%Y-%m-%d'))}",
        whole.table(),
        f"The same with {given.control:,} particles: a cycle takes {far.seconds_a_cycle:.3f} s "
        f"with most statistics on disk (partly in the file cache) and "
        f"{near.seconds_a_cycle:.3f} s with all in memory; the log-likelihoods of all cycles are "
        f"{'bitwise identical' if same else 'NOT identical'}.",
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
