"""How long, and in how much memory, is a large particle table read and written back?

Usage: ``python benchmarks/particle_table.py [ROWS] [star|cs|cistem]`` (500,000 rows of a STAR file
by default; seconds). The table is made up in a temporary folder by a process of its own, so that
its memory does not count; reading validates every column, writing adds what a classification
finds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cryofocus.data.mrc import write_stack
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.convert import convert

BOX, PIXEL_SIZE, IMAGES_PER_STACK = 2, 1.3, 1000
OPTICS = (
    "\n# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnVoltage #2 \n"
    "_rlnSphericalAberration #3 \n_rlnAmplitudeContrast #4 \n_rlnImagePixelSize #5 \n"
    f"_rlnImageSize #6 \n 1 300 2.7 0.1 {PIXEL_SIZE} {BOX} \n\n"
)
LABELS = (
    *("CoordinateX", "CoordinateY", "ImageName", "MicrographName", "CtfMaxResolution"),
    *("CtfFigureOfMerit", "DefocusU", "DefocusV", "DefocusAngle", "CtfBfactor", "CtfScalefactor"),
    *("PhaseShift", "GroupNumber", "AngleRot", "AngleTilt", "AnglePsi", "ClassNumber"),
    *("NormCorrection", "LogLikeliContribution", "MaxValueProbDistribution", "RandomSubset"),
    *("OpticsGroup", "OriginXAngst", "OriginYAngst"),
)


def write_table(folder: Path, n_rows: int, kind: str) -> None:
    """Write the table and its (tiny) stacks."""
    rng = np.random.default_rng(0)
    images = np.zeros((IMAGES_PER_STACK, BOX, BOX), np.float32)
    n_stacks = -(-n_rows // IMAGES_PER_STACK)
    (folder / "Extract/job012/Movies").mkdir(parents=True)
    for stack in range(n_stacks):
        path = folder / f"Extract/job012/Movies/20170629_{stack:05d}_frameImage.mrcs"
        write_stack(path, [images], IMAGES_PER_STACK, BOX, PIXEL_SIZE)
    with (folder / "particles.star").open("w") as file:
        file.write(f"{OPTICS}\n# version 30001\n\ndata_particles\n\nloop_ \n")
        file.writelines(f"_rln{label} #{i} \n" for i, label in enumerate(LABELS, start=1))
        for row in range(n_rows):
            rot, tilt, psi = rng.uniform(0, 180, 3)
            stack, image = divmod(row, IMAGES_PER_STACK)
            file.write(
                f" 3136.000000  2296.000000 {image + 1:06d}@Extract/job012/Movies/20170629_"
                f"{stack:05d}_frameImage.mrcs MotionCorr/job002/Movies/20170629_{stack:05d}"
                "_frameImage.mrc     3.179000     0.224673 30876.811323 28722.607179   161.590835"
                f"     0.000000     1.000000     0.000000            1 {rot:12.6f} {tilt:12.6f} "
                f"{psi:12.6f}            1     0.603536 3.763459e+05     0.048127 "
                f"{row % 2 + 1:12d}            1     1.250000    -0.750000 \n"
            )
        file.write("\n")
    if kind != "star":
        convert(folder / "particles.star", folder / f"particles.{kind}")


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Print the seconds of a step, and those of the processor, whatever else the machine does."""
    start, own = time.perf_counter(), time.process_time()
    yield
    seconds, own = time.perf_counter() - start, time.process_time() - own
    print(f"{name:<18} {seconds:6.2f} s, of the processor {own:6.2f} s")


def main() -> None:
    """Print the seconds of each step and the peak memory."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", type=int, nargs="?", default=500_000)
    options.add_argument("kind", nargs="?", choices=("star", "cs", "cistem"), default="star")
    given = options.parse_args()
    n_rows, kind = given.rows, given.kind
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maker = multiprocessing.Process(target=write_table, args=(folder, n_rows, kind))
        maker.start()
        maker.join()
        path = folder / f"particles.{kind}"
        print(f"{n_rows} rows, .{kind}, {path.stat().st_size / 1e6:.0f} MB")
        with timed("read and validate"):
            particles = ParticleSet.read(path)
        columns = {
            "rlnClassNumber": np.arange(n_rows) % 4 + 1,
            "rlnMaxValueProbDistribution": np.full(n_rows, 0.25),
            "rlnLogLikeliContribution": np.linspace(0, 1e6, n_rows),
            "cryofocusClassPosterior": np.full((n_rows, 4), 0.25),
        }
        with timed("write back"):
            particles.write(folder / f"classified.{kind}", columns)
    print(f"peak memory        {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:6.2f} GB")


if __name__ == "__main__":
    main()
