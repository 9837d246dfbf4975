"""`cryofocus doctor`: whether this machine has what a run needs."""

from __future__ import annotations

import time
from importlib.metadata import version

from cryofocus.cli.console import say

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "pydantic", "typer")


def doctor() -> None:
    """Check this installation: versions, processors, memory, disk, and compiled kernels.

    Compiles and runs the kernels once (up to half a minute the first time, cached after), and
    compares their results with the plain NumPy ones.
    """
    import shutil
    from pathlib import Path

    from cryofocus import __version__
    from cryofocus.workflows.machine import describe_machine

    machine = describe_machine()
    say(f"cryofocus    {__version__}, Python {machine.python}, {machine.platform}")
    say("packages     " + ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    say(f"processor    {machine.processor}, {machine.cores} cores usable")
    say(f"memory       {machine.memory_gb:.1f} GB")
    say(f"disk         {shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free in {Path.cwd()}")
    say(f"kernels      {_check_kernels(machine.cores)}")


def _check_kernels(n_threads: int) -> str:
    """Compile the kernels, run them and say how they compare with the reference."""
    from cryofocus.workflows.kernel_check import kernel_deviation

    start = time.perf_counter()
    deviation = kernel_deviation(n_threads)
    seconds = time.perf_counter() - start
    return (
        f"compiled and run on {n_threads} threads in {seconds:.1f} s, relative deviation from "
        f"NumPy {deviation:.0e}"
    )
