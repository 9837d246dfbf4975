"""What do boxes of 64 to 512 cost, and is the memory said before a run what it takes?

First `classify` and `reconstruct`, then every other command that handles maps or images of box
512, with two threads.

Images of a sum of Gaussians, projected exactly, with white noise that ends the half maps'
agreement where a case says; each class has a lump of its own at one place. Every case is one
command in a process of its own, whose peak memory and CPU seconds the system counts; what the run
said before stands beside. A case that was measured is not measured again.

Usage: ``python benchmarks/sizes.py FOLDER [CASE ...] [-o benchmarks/results/sizes.md]`` (an hour;
FOLDER takes 5 GB of images, which are kept). Cases are named in the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from synthetic import describe_here

from cryofocus.data.mrc import write_stack
from cryofocus.maths.ctf import CtfParameters, Microscope, evaluate_ctf
from cryofocus.maths.fourier import forward_2d, inverse_2d

MICROSCOPE = Microscope(300.0, 2.7, 0.1)
# Of the particle's box in the series, in Å.
EXTENT = 576.0
N_BEADS, N_LUMP, LUMP_SPREAD = 150, 25, 12.0
RADIUS, FOCUS_RADIUS = 0.28, 35.0
AT_ONCE = 50
# Up to here sets of many classes are large enough to find them.
DISTINCT_BOX = 192
START = "from cryofocus.cli.main import main; main()"
COLUMNS = (
    *("rlnImageName", "rlnMicrographName", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
    *("rlnOriginXAngst", "rlnOriginYAngst", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"),
    *("rlnOpticsGroup", "rlnRandomSubset"),
)
OPTICS = (
    *("rlnOpticsGroup", "rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"),
    *("rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality"),
)
NYQUIST, ONE = ("--map-resolution", "nyquist"), ("--threads", "1")
# Cells without a number.
NO_BOUND, NOTHING_SAID, NOT_MEASURED = "no bound", "nothing said", "not measured"
ABOUT = (
    "Up to box 192 the sets of 16 classes are so large that all are found. In larger boxes most",
    "of 16 are copies of others, of which one map is made; what is said counts 16.",
)
SAID = re.compile(r"memory: about ([\d.]+) GB")


@dataclass(frozen=True)
class Case:
    """One command on one set of images.

    Attributes:
        name: By which it is asked for.
        box: Pixels.
        particles: Their number.
        pixel_size: Å.
        sigma: Of the Gaussians in Å.
        noise: Standard deviation of a pixel.
        options: Of `cryofocus classify`; of `reconstruct` if there are no classes.
        classes: Number of classes.
        asked: What it should take at most: CPU seconds, wall seconds, GB; 0 for no bound.
        words: Another command, to be filled in with names of files and places.
    """

    name: str
    box: int
    particles: int
    pixel_size: float
    sigma: float
    noise: float
    options: tuple[str, ...] = ()
    classes: int = 2
    asked: tuple[float, float, float] = (0.0, 0.0, 0.0)
    words: str = ""

    @property
    def images(self) -> str:
        """Name of the folder of the images."""
        return f"box{self.box}x{self.particles}"

    @property
    def focus(self) -> str:
        """The sphere around the lump."""
        extent = self.box * self.pixel_size
        middle = (self.box // 2) * self.pixel_size
        return f"{middle + 0.6 * RADIUS * extent:g},{middle:g},{middle:g},{FOCUS_RADIUS}"

    def command(self, folder: Path) -> list[str]:
        """Return the words of the command."""
        table = str(folder / self.images / "particles.star")
        if self.words:
            x, y, z, _ = self.focus.split(",")
            names = {"table": table, "runs": folder / "runs", "x": x, "y": y, "z": z}
            return [word.format(**names) for word in self.words.split()]
        output = str(folder / "runs" / self.name)
        if not self.classes:
            return ["reconstruct", table, "-o", f"{output}.mrc", "--overwrite", *self.options]
        what = ["--focus", self.focus, "--classes", str(self.classes)]
        return ["classify", table, *what, "-o", output, "--overwrite", *self.options]


def large(name: str, *options: str, asked: tuple[float, float, float]) -> Case:
    """Return the large set: 2,000 particles of box 512."""
    options = ("--runs", "3", *ONE, *options)
    return Case(name, 512, 2000, 1.3, 3.0, 2.0, options, 4, asked)


def series() -> Iterator[Case]:
    """Yield the same particle in boxes of more and more, smaller pixels."""
    for box in (64, 128, 192, 256, 384, 512):
        for classes in (2, 16):
            for threads in (1, 2):
                name = f"box{box}-{classes}-classes-{threads}-threads"
                options = ("--runs", "1", "--threads", str(threads))
                pixel_size = EXTENT / box
                sigma = max(4.0, 1.2 * pixel_size)
                # So many that classes can be told apart: copies of a class are made once.
                particles = 1600 if classes > 2 and box <= DISTINCT_BOX else 300
                yield Case(name, box, particles, pixel_size, sigma, 1.0, options, classes)


# Later ones need what earlier ones write.
OTHERS = {
    "reconstruct": "reconstruct {table} -o {runs}/map.mrc",
    "classify": "classify {table} --focus {x},{y},{z},35 --classes 2 --runs 1 -o {runs}/run",
    "report": "report {runs}/run",
    "mask sphere": "mask sphere {z},{y},{z},100 --like {runs}/map.mrc -o {runs}/keep.mrc",
    "mask sphere, small": "mask sphere {x},{y},{z},35 --like {runs}/map.mrc -o {runs}/lump.mrc",
    # Served until someone has looked at its page, written a sphere and ended it.
    "mask place": "mask place {runs}/map.mrc -o {runs}/placed.mrc",
    "mask threshold": "mask threshold {runs}/map.mrc --sigma 3 -o {runs}/solvent.mrc",
    "subtract": "subtract {table} --keep {runs}/keep.mrc -o {runs}/subtracted",
    "align refine": "align refine {table} -o {runs}/refined.star --iterations 1",
    "align search": "align search {table} --reference {runs}/map.mrc --angular-step 15"
    " -o {runs}/searched.star",
    "variance": "variance {table} -o {runs}/variance",
    "covary": "covary {table} --regions lump={runs}/lump.mrc keep={runs}/keep.mrc"
    " -o {runs}/covary",
    "fsc": "fsc {runs}/map_half1.mrc {runs}/map_half2.mrc --mask {runs}/solvent.mrc -o {runs}/fsc",
    "fsc --local": "fsc {runs}/map_half1.mrc {runs}/map_half2.mrc --mask {runs}/solvent.mrc"
    " --local -o {runs}/fsc_local",
}


def others() -> Iterator[Case]:
    """Yield the other commands on a few particles of box 512."""
    for name, words in OTHERS.items():
        particles, words = 200, words if name == "report" else f"{words} --overwrite"
        yield Case(f"512 {name}", 512, particles, 1.3, 3.0, 2.0, classes=4, words=words)


CASES = (
    Case("384", 384, 150, 1.5, 4.0, 1.0, ("--runs", "1", *ONE), 2, (40.0, 0.0, 4.0)),
    Case("320-reconstruct", 320, 7, 1.3, 3.0, 0.5, ONE, 0, (0.0, 0.0, 1.5)),
    large("512", "--memory", "8GB", asked=(0.0, 600.0, 8.0)),
    large("512-nyquist", "--memory", "16GB", *NYQUIST, asked=(0.0, 0.0, 16.0)),
    *series(),
    *others(),
)


@dataclass(frozen=True)
class Row:
    """What a case took; `said_gb` is 0 where nothing was said."""

    case: str
    cpu_seconds: float
    seconds: float
    peak_gb: float
    said_gb: float
    where: str

    @property
    def date(self) -> str:
        """Day of the measurement."""
        return self.where.rsplit(" ", 1)[1].rstrip(".")


def make_images(folder: Path, case: Case) -> None:
    """Write images and table of a case, if they are not there."""
    if (folder / "particles.star").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    n, extent = case.particles, case.box * case.pixel_size
    directions = rng.normal(size=(N_BEADS, 3))
    radii = RADIUS * extent * rng.uniform(size=(N_BEADS, 1)) ** (1 / 3)
    beads = directions / np.linalg.norm(directions, axis=1, keepdims=True) * radii
    place = np.array([0.6 * RADIUS * extent, 0, 0])
    n_classes = max(case.classes, 1)
    lumps = place + LUMP_SPREAD * rng.normal(size=(n_classes, N_LUMP, 3))
    angles = rng.uniform(size=(n, 3)) * [360, 180, 360]
    angles[:, 1] = np.degrees(np.arccos(rng.uniform(-1, 1, n)))
    matrices = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    shifts = rng.uniform(-3, 3, (n, 2)) * case.pixel_size
    defocus = rng.uniform(10_000, 25_000, n)
    labels = rng.integers(0, n_classes, n)
    zeros = np.zeros(n)
    ctf = CtfParameters(defocus, defocus, zeros, zeros, zeros, np.ones(n))
    axis = (np.arange(case.box) - case.box // 2) * case.pixel_size

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, n, AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, n))
            clean = np.stack(
                [
                    project(np.concatenate([beads, lumps[labels[i]]]) @ matrices[i].T, shifts[i])
                    for i in rows
                ]
            )
            half = forward_2d(clean.astype(np.float32))
            half *= evaluate_ctf(ctf.take(rows), MICROSCOPE, case.box, case.pixel_size)
            noise = case.noise * rng.standard_normal(clean.shape, dtype=np.float32)
            yield inverse_2d(half, case.box) + noise

    def project(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Sum Gaussians along the line of sight, but for a factor."""
        along = [
            np.exp(-((axis - (points[:, k, None] - shift[k])) ** 2) / (2 * case.sigma**2))
            for k in (0, 1)
        ]
        return along[1].T @ along[0]

    write_stack(folder / "images.mrcs", chunks(), n, case.box, case.pixel_size)
    optics = ["1", "300", "2.7", "0.1", str(case.pixel_size), str(case.box), "2"]
    rows = [
        [f"{i + 1:06d}@images.mrcs", f"m{i // 50}.mrc", *(f"{angle:.6f}" for angle in angles[i])]
        + [f"{shift:.6f}" for shift in shifts[i]]
        + [f"{defocus[i]:.2f}"] * 2
        + ["0", "1", str(1 + i % 2)]
        for i in range(n)
    ]
    text = _block("optics", OPTICS, [optics]) + _block("particles", COLUMNS, rows)
    (folder / "particles.star").write_text(text, encoding="utf-8")


def _block(name: str, columns: tuple[str, ...], rows: list[list[str]]) -> str:
    head = [f"_{column} #{number}" for number, column in enumerate(columns, start=1)]
    return "\n".join(["", f"data_{name}", "", "loop_", *head, *map(" ".join, rows), ""])


def measure(folder: Path, case: Case) -> Row:
    """Run a case in a process of its own.

    Raises:
        RuntimeError: When it fails; its words stand above.
    """
    make_images(folder / case.images, case)
    (folder / "runs").mkdir(exist_ok=True)
    command = [sys.executable, "-c", START, *case.command(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if case.words.startswith("mask place"):
        use_page(process, case)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read()
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        print(said)
        raise RuntimeError(f"{case.name}: failed")
    expected = SAID.findall(said)
    return Row(
        case.name,
        used.ru_utime + used.ru_stime,
        seconds,
        used.ru_maxrss * 1024 / 1e9,
        float(expected[-1]) if expected else 0.0,
        describe_here(time.strftime("%Y-%m-%d")),
    )


def use_page(process: subprocess.Popen[bytes], case: Case) -> None:
    """Open the page that a command serves, have the sphere written, and end it."""
    assert process.stdout is not None
    address = process.stdout.readline().decode().split()[1]
    for name in ("", "surfaces"):
        urllib.request.urlopen(address + name).read()
    x, y, z, radius = map(float, case.focus.split(","))
    request = urllib.request.Request(
        f"{address}mask", json.dumps([x, y, z, *[radius] * 3]).encode()
    )
    request.add_header("Origin", address.rsplit("/", 2)[0])
    urllib.request.urlopen(request).read()
    process.send_signal(signal.SIGINT)


def read_rows(path: Path) -> dict[str, Row]:
    """Return what was measured before, by case."""
    if not path.exists():
        return {}
    numbers = ("cpu_seconds", "seconds", "peak_gb", "said_gb")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Row(**{name: float(v) if name in numbers else v for name, v in cells.items()})
            for cells in csv.DictReader(file)
        ]
    return {row.case: row for row in rows}


def write_rows(path: Path, rows: dict[str, Row]) -> None:
    """Keep what was measured."""
    with path.open("w", encoding="utf-8", newline="") as file:
        names = [field.name for field in fields(Row)]
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows.values())


def table(rows: dict[str, Row]) -> str:
    """Return the page: what was asked beside what was found."""
    head = (
        *("case", "box", "particles", "classes", "options", "CPU s", "asked", "wall s", "asked"),
        *("peak, GB", "asked", "said before, GB", "said/peak", "date"),
    )
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for case in CASES:
        if case.words:
            continue
        row = rows.get(case.name)
        asked = [f"{bound:g}" if bound else NO_BOUND for bound in case.asked]
        found = [NOT_MEASURED] * 6
        if row is not None:
            found = [f"{row.cpu_seconds:.0f}", f"{row.seconds:.0f}", f"{row.peak_gb:.2f}"]
            said = [f"{row.said_gb:.2f}", f"{row.said_gb / row.peak_gb:.2f}"]
            found += [*(said if row.said_gb > 0 else [NOTHING_SAID] * 2), row.date]
        pairs = [cell for pair in zip(found[:3], asked, strict=True) for cell in pair]
        classes = str(case.classes) if case.classes else "none: `reconstruct`"
        what = [case.name, str(case.box), f"{case.particles:,}", classes, " ".join(case.options)]
        lines.append(f"| {' | '.join([*what, *pairs, *found[3:]])} |")
    machines = sorted({row.where for row in rows.values()})
    page = ["# What boxes cost", "", *machines, "", *lines, "", *ABOUT, ""]
    return "\n".join(
        [*page, "## Other commands, box 512, 200 particles", "", *table_of_others(rows)]
    )


def table_of_others(rows: dict[str, Row]) -> list[str]:
    """Return the lines of the commands besides `classify` and `reconstruct`."""
    lines = ["| command | CPU s | wall s | peak, GB | date |", "| --- " * 5 + "|"]
    for case in CASES:
        if case.words:
            row, cells = rows.get(case.name), [NOT_MEASURED] * 4
            if row is not None:
                cells = [f"{row.cpu_seconds:.0f}", f"{row.seconds:.0f}", f"{row.peak_gb:.2f}"]
                cells.append(row.date)
            lines.append(f"| {' | '.join([f'`{case.name[4:]}`', *cells])} |")
    return [*lines, ""]


def main() -> None:
    """Measure the cases that were not, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("cases", nargs="*", metavar="CASE", help="all by default")
    default = Path(__file__).parent / "results" / "sizes.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    # Started in the background, commands would be deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kept = given.output.with_suffix(".csv")
    rows = read_rows(kept)
    for case in CASES:
        if case.name in rows or (given.cases and case.name not in given.cases):
            continue
        rows[case.name] = measure(given.folder, case)
        print(rows[case.name], flush=True)
        write_rows(kept, rows)
    given.output.write_text(table(rows), encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
