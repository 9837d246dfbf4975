"""Whether this installation computes what it should: kernels, and a set with known classes."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.errors import CryofocusError
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.machine.kernel_check import kernel_deviation
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

# Compiled kernels sum in another order than NumPy, in single precision.
LARGEST_DEVIATION = 1e-4
# Arms up or down, at a noise that leaves a few particles in doubt: a wrong sign anywhere shows.
TINY_SET = HumanoidSettings(
    particles=240, box=24, pixel_size_angstrom=17.5, snr=0.5, first_snr=20.0, seed=1
)
# Found on the machines this was developed on; the last digits depend on the order of sums.
EXPECTED_KAPPA, KAPPA_TOLERANCE = 0.93, 0.03
SECONDS_FOR_DRIVER = 10


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        text: What was found, for people.
    """

    passed: bool
    text: str


def check_kernels(threads: int, device: str = "cpu") -> Check:
    """Compile the kernels, run them and compare them with the plain NumPy ones.

    Args:
        threads: Threads of the compiled kernels.
        device: "cpu" or "cuda".
    """
    start = time.perf_counter()
    deviation = kernel_deviation(threads, device)
    where = f"{threads} threads" if device == "cpu" else "the GPU"
    seconds = time.perf_counter() - start
    return Check(
        deviation <= LARGEST_DEVIATION,
        f"compiled and run on {where} in {seconds:.1f} s, relative deviation from "
        f"NumPy {deviation:.0e}, expected at most {LARGEST_DEVIATION:.0e}",
    )


def check_classification(threads: int) -> Check:
    """Simulate particles, classify them from their files and score the result."""
    start = time.perf_counter()
    try:
        kappa = _classify_tiny_set(threads)
    except CryofocusError as error:
        return Check(passed=False, text=f"stopped: {error}")
    seconds = time.perf_counter() - start
    return Check(
        abs(kappa - EXPECTED_KAPPA) <= KAPPA_TOLERANCE,
        f"{TINY_SET.particles} simulated particles classified in {seconds:.1f} s, kappa "
        f"{kappa:.2f}, expected {EXPECTED_KAPPA:.2f} within {KAPPA_TOLERANCE:.2f}",
    )


def find_gpus() -> list[str]:
    """Name the accelerators that the driver reports, with their memory; none without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        ended = subprocess.run(
            query, capture_output=True, text=True, timeout=SECONDS_FOR_DRIVER, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in ended.stdout.splitlines() if line.strip()]


def _classify_tiny_set(threads: int) -> float:
    """Return kappa of a classification from files to files, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as name, _quiet_log():
        made = simulate_humanoid(Path(name) / "set", TINY_SET, progress=SilentProgress())
        x, y, z, radius = (float(number) for number in made.focus_sphere.split(","))
        request = ClassifyRequest(
            particles=made.directory / "particles.star",
            datadir=made.directory,  # or images of that name where the user is would be found, too
            focus=(x, y, z, radius),
            machine=Machine(threads=threads),
            settings=ClassifierSettings(n_classes=2, n_runs=1),
        )
        run = classify(request, Path(name) / "run")
        scores = evaluate(run.particles, made.directory / "truth.star")
    return float(scores["kappa"])


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep the steps of the check off the screen; it is its result that counts."""
    logger = logging.getLogger("cryofocus")
    handlers = logger.handlers[:]
    for handler in handlers:
        logger.removeHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.addHandler(handler)
