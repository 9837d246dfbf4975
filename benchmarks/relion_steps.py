"""RELION's focused classification without alignment, step by step with its CPU time.

Consensus from the known poses, its scales, RELION's own subtraction of all but the focus region,
recentred and cropped, and `relion_refine --skip_align` on that. Used by `relion.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cryofocus.benchmark.classify import read_true_class
from cryofocus.data.mask import FocusMask
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import write_volume
from cryofocus.maths.statistics import measure_agreement

ITERATIONS, TAU2_FUDGE = 25, 4
CROPPED_BOX, SOFT_EDGE_ANGSTROM = 40, 8.0
POLL_SECONDS = 0.05
RECORD = "relion.json"


@dataclass(frozen=True)
class Course:
    """How kappa grew with CPU time.

    Attributes:
        stages: CPU seconds of what comes before the first value and after the last, by name.
        cpu_seconds: CPU seconds from the beginning up to each value.
        kappas: Kappa after every iteration or cycle.
        total_seconds: CPU seconds up to the end of all.
        wall_seconds: Of all.
        where: Machine and date.
    """

    stages: dict[str, float]
    cpu_seconds: tuple[float, ...]
    kappas: tuple[float, ...]
    total_seconds: float
    wall_seconds: float
    where: str

    def settled(self, margin: float) -> int:
        """Return the first value from which on all lie within a margin of the last."""
        outside = np.flatnonzero(np.abs(np.array(self.kappas) - self.kappas[-1]) > margin)
        return int(outside[-1]) + 1 if len(outside) else 0

    def write(self, path: Path) -> None:
        """Keep it."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Course:
        """Return what was kept."""
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("cpu_seconds", "kappas"):
            kept[name] = tuple(kept[name])
        return cls(**kept)


def cpu_seconds_of(process: int) -> float:
    """Return the CPU seconds a running process has taken so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(folder: Path, command: str, watch: Callable[[float], None] = lambda _: None) -> float:
    """Run one of RELION's programs and return its CPU seconds.

    Args:
        folder: Where it runs; its output goes to log.txt there.
        command: The program and its options.
        watch: Called now and then with the CPU seconds so far.
    """
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            command.split(), cwd=folder, env=one_thread, stdout=log, stderr=subprocess.STDOUT
        )
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            watch(cpu_seconds_of(process.pid))
            time.sleep(POLL_SECONDS)
    if status != 0:
        message = f"{command} failed; its output is in {folder / 'log.txt'}"
        raise SystemExit(message)
    return usage.ru_utime + usage.ru_stime


def measure_relion(data: Path, folder: Path, threads: int, where: str) -> Course:
    """Run RELION on a simulated set; what was measured before is taken from the folder.

    Args:
        data: Simulated set.
        folder: For RELION's files; the record is kept there.
        threads: Its `--j`.
        where: Machine and date.
    """
    if (folder / RECORD).exists():
        return Course.read(folder / RECORD)
    (folder / "consensus").mkdir(parents=True)
    (folder / "classes").mkdir()
    start = time.perf_counter()
    for name in ("particles.star", "particles.mrcs"):
        (folder / name).symlink_to((data / name).resolve())
    n_classes = _write_masks(data, folder)
    common = (
        "--ctf --skip_align --norm --scale --dont_check_norm "
        f"--tau2_fudge {TAU2_FUDGE} --j {threads}"
    )
    stages = {
        "consensus": run(folder, "relion_reconstruct --i particles.star --o consensus.mrc --ctf"),
        "scales": run(
            folder,
            "relion_refine --i particles.star --ref consensus.mrc --o consensus/run "
            f"--K 1 --iter 1 --particle_diameter 400 {common}",
        ),
        "subtraction": run(
            folder,
            "relion_particle_subtract --i consensus/run_it001_optimiser.star --mask mask.mrc "
            f"--o subtracted/ --recenter_on_mask --new_box {CROPPED_BOX}",
        ),
    }
    table = "subtracted/particles_subtracted.star"
    stages["reference"] = run(folder, f"relion_reconstruct --i {table} --o reference.mrc --ctf")
    before = sum(stages.values())
    reached: list[float] = []

    def watch(seconds: float) -> None:
        if (folder / f"classes/run_it{len(reached) + 1:03d}_optimiser.star").exists():
            reached.append(before + seconds)

    stages["classification"] = run(
        folder,
        f"relion_refine --i {table} --ref reference.mrc --o classes/run --K {n_classes} "
        f"--iter {ITERATIONS} --particle_diameter 200 --zero_mask --flatten_solvent "
        f"--solvent_mask cropped_mask.mrc {common}",
        watch,
    )
    total = sum(stages.values())
    reached += [total] * (ITERATIONS - len(reached))
    course = Course(
        stages=stages,
        cpu_seconds=tuple(reached),
        kappas=_kappas(data, folder / "classes", n_classes),
        total_seconds=total,
        wall_seconds=time.perf_counter() - start,
        where=where,
    )
    course.write(folder / RECORD)
    return course


def relion_version() -> str:
    """Return the name and version of what is installed."""
    said = subprocess.run(
        ["relion_refine", "--version"], capture_output=True, text=True, check=False
    )
    return (said.stdout + said.stderr).strip().splitlines()[0].replace(" version:", "").strip()


def _write_masks(data: Path, folder: Path) -> int:
    """Write the focus region on both boxes and return the number of classes."""
    description = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
    pixel = float(description["pixel_size_angstrom"])
    x, y, z, radius = (float(number) for number in description["focus_sphere"].split(","))
    middle = CROPPED_BOX // 2 * pixel
    for name, sphere, box in (
        ("mask.mrc", (x, y, z, radius), int(description["box"])),
        ("cropped_mask.mrc", (middle, middle, middle, radius), CROPPED_BOX),
    ):
        mask = FocusMask.from_sphere(sphere, box, pixel, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
        write_volume(folder / name, mask.data, pixel)
    return int(description["n_classes"])


def _kappas(data: Path, classes: Path, n_classes: int) -> tuple[float, ...]:
    """Read the classes after every iteration and compare them with the truth."""
    truth = read_true_class(data / "truth.star")
    kappas = []
    for iteration in range(1, ITERATIONS + 1):
        document = StarDocument.read(classes / f"run_it{iteration:03d}_data.star")
        block = document.block("particles")
        names = document.texts(block, ["rlnImageName"])["rlnImageName"]
        particles = np.array([int(name.partition("@")[0]) - 1 for name in names])
        found = document.numbers(block, ["rlnClassNumber"])["rlnClassNumber"].astype(np.int64) - 1
        kappas.append(measure_agreement(found, truth[particles], n_classes).kappa)
    return tuple(kappas)
