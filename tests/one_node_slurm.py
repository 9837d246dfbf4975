"""A SLURM controller and daemon on this machine, from Debian's packages, in a folder of their own.

The packages need not be installed: unpacked (dpkg -x), with their programs on PATH and their
libraries on LD_LIBRARY_PATH, they will do.

Start it by hand with ``python tests/workflows/one_node_slurm.py FOLDER``; it writes the variable
that makes sbatch and squeue talk to it, and ends with Ctrl-C. As root, because jobs change users.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmstepd", "sbatch", "sinfo", "scancel")
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
MpiDefault=none
PluginDir={plugins}
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_slurm() -> str | None:
    """Return why SLURM cannot be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "only root can start a SLURM daemon"


@contextmanager
def run_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start controller and daemon; yield the environment in which jobs are submitted to them."""
    host = socket.gethostname().split(".")[0]
    ports = _free_ports(2)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    configuration = folder / "slurm.conf"
    stepd = Path(shutil.which("slurmstepd", path=_path()) or "").resolve()
    plugins = next(stepd.parents[1].glob("lib/*/slurm-wlm"))
    text = CONFIGURATION.format(host=host, folder=folder, ports=ports, plugins=plugins)
    configuration.write_text(text)
    environment = {"PATH": _path(), "SLURM_CONF": str(configuration)}
    munge = {name: folder / f"munge.{name}" for name in ("key-file", "socket", "pid-file")}
    munge["key-file"] = folder / "munge.key"
    options = [f"--{name}={path}" for name, path in munge.items()]
    options += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
    with ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", *options],
            ["slurmctld", "-D", "-i"],
            ["slurmd", "-D", "-N", host, "-d", str(stepd)],
        ):
            stack.enter_context(_running(command, environment, folder))
        _wait_for_node(environment, folder)
        yield environment


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            time.sleep(0.5)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for_node(environment: dict[str, str], folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if state.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    said = "".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    raise TimeoutError(
        f"no node is idle after {seconds:g} s: {state.stdout}{state.stderr}\n{said}"
    )


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


if __name__ == "__main__":
    with run_slurm(Path(sys.argv[1]).resolve()) as variables:
        sys.stdout.write(f"export SLURM_CONF={variables['SLURM_CONF']}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            signal.pause()
