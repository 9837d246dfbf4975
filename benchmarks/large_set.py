"""How long does a large set take on this machine, from the particle table to the finished run?

100,000 particles of box 256 at 1.32 Å per pixel, a focus sphere of 40 Å, K = 4, one run, compared
to 6 Å, on two cores within 16 GB, through `classify` and files. The images are those of a
simulated set of 1,000 (scenario 2 of the humanoid at SNR 0.05) under a hundred names: each is
read, transformed and classified a hundred times, but comes from the file cache after the first.
Reading 26 GB from a disk would add its time to every pass over the images.

Usage: ``python benchmarks/large_set.py FOLDER [--particles 100000] [--images 1000] [--box 256]
[--memory 16] [--threads 2] [--device cpu] [-o benchmarks/results/large_set.md]`` (hours). FOLDER
keeps the simulated set, and takes statistics that exceed the memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from synthetic import SimulatedSet, describe_here
from whole_job import run_alone

from cryofocus.consensus.preparation import open_images
from cryofocus.consensus.reach import with_margin
from cryofocus.data.particles import ParticleSet
from cryofocus.kernels.select import available_threads
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

PIXEL_SIZE, RADIUS_ANGSTROM, RESOLUTION_ANGSTROM, N_CLASSES = 1.32, 40.0, 6.0, 4


def main() -> None:
    """Simulate, classify and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--particles", type=int, default=100_000)
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--box", type=int, default=256)
    options.add_argument("--memory", type=float, default=16.0, help="GB")
    options.add_argument("--threads", type=int, default=available_threads())
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    default = Path(__file__).parent / "results" / "large_set.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    data = simulated_images(given.folder, given.images, given.box)
    table = data.repeat(given.particles, given.folder / f"particles{given.particles}.star")
    request = ClassifyRequest(
        **{
            "particles": table,
            "datadir": given.folder,
            "focus": (*data.focus[:3], RADIUS_ANGSTROM),
            "memory_gb": given.memory,
            "threads": given.threads,
            "device": given.device,
            "settings": {
                "n_classes": N_CLASSES,
                "n_runs": 1,
                "max_resolution_angstrom": RESOLUTION_ANGSTROM,
            },
        }
    )
    measured = run_alone(request, given.folder)
    alone, used = seconds_to_read(table, given)
    parts = [
        "# A large set",
        f"{given.particles:,} particles of box {given.box} at {PIXEL_SIZE} Å per pixel, repeated "
        f"from {given.images:,} simulated images in the file cache; sphere of "
        f"{RADIUS_ANGSTROM:g} Å, K = {N_CLASSES}, one run, compared to {RESOLUTION_ANGSTROM:g} Å; "
        f"{given.threads} threads, device {given.device}, memory limited to {given.memory:g} GB.\n"
        f"{describe_here(time.strftime('%Y-%m-%d'))}",
        measured.table(),
        f"To read, crop (to {RESOLUTION_ANGSTROM:g} Å and a margin) and transform the images once "
        f"takes {alone:.1f} s ({used:.1f} CPU s) alone; the whole took "
        f"{measured.seconds / alone:.1f} times that ({measured.cpu_seconds / used:.1f} times the "
        "CPU s).",
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


def simulated_images(folder: Path, n_images: int, box: int) -> SimulatedSet:
    """Return the simulated set, which is made if it is not there."""
    data = SimulatedSet(folder / f"images{n_images}_{box}")
    if not data.folder.exists():
        settings = HumanoidSettings(
            scenario=2, particles=n_images, snr=0.05, box=box, pixel_size_angstrom=PIXEL_SIZE
        )
        simulate_humanoid(data.folder, settings)
    return data


def seconds_to_read(table: Path, given: argparse.Namespace) -> tuple[float, float]:
    """Time one pass that prepares images and does nothing with them: wall and CPU seconds."""
    particles = ParticleSet.read(table, datadir=given.folder)
    images = open_images(particles, "no", threads=given.threads)
    extent = particles.box * particles.pixel_size_angstrom
    images = images.cropped(with_margin(int(extent / RESOLUTION_ANGSTROM) + 1))
    start, used = time.perf_counter(), time.process_time()
    for _ in images.chunks(images.largest_band()):
        pass
    return time.perf_counter() - start, time.process_time() - used


if __name__ == "__main__":
    main()
