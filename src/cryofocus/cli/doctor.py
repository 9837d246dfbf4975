"""`cryofocus doctor`: whether this machine has what a run needs, and computes what it should."""

from __future__ import annotations

from importlib.metadata import version

import typer

from cryofocus.cli.console import say

PACKAGES = ("numpy", "scipy", "numba", "pydantic", "typer")
EXIT_FAILED = 1
ADVICE = (
    "\nSomething is wrong with this installation. Install the versions of constraints.txt into a "
    "fresh environment; if it stays, report this output."
)


def doctor() -> None:
    """Check this installation: machine, versions, compiled kernels and a known classification.

    Takes about ten seconds, and half a minute more the first time, when kernels are compiled.
    The exit code is 1 if a check fails. Example:

    `cryofocus doctor`
    """
    import shutil
    from functools import partial
    from pathlib import Path

    from cryofocus.kernels.gpu import find_gpu_fault
    from cryofocus.version import __version__
    from cryofocus.workflows.machine.hardware import describe_hardware
    from cryofocus.workflows.self_check import (
        check_classification,
        check_kernels,
        find_gpus,
    )

    machine = describe_hardware()
    say(f"cryofocus    {__version__}, Python {machine.python}, {machine.platform}")
    say("packages     " + ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    say(f"processor    {machine.processor}, {machine.cores} cores usable")
    say(f"memory       {machine.memory_gb:.1f} GB")
    say(f"disk         {shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free in {Path.cwd()}")
    fault = find_gpu_fault()
    say(f"accelerator  {', '.join(find_gpus()) or 'none'}; --device cuda: {fault or 'possible'}")
    checks = [("kernels", check_kernels), ("self-check", check_classification)]
    if fault is None:
        checks.append(("GPU kernels", partial(check_kernels, device="cuda")))
    failed = False
    for name, check in checks:
        found = check(machine.cores)
        failed |= not found.passed
        say(f"{name:<12} {'' if found.passed else 'FAILED: '}{found.text}")
    if failed:
        typer.echo(ADVICE, err=True)
        raise typer.Exit(EXIT_FAILED)
