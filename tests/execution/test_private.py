"""Other users of the machine: no port of a run answers them, and none is seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from cryofocus.errors import ClusterError
from cryofocus.execution import private
from cryofocus.execution.dask import Dask
from cryofocus.execution.private import make_certificates, store_certificates
from cryofocus.workflows.machine.cluster import open_workers
from cryofocus.workflows.machine.cluster_choice import parse_cluster
from cryofocus.workflows.machine.slurm_jobs import CERTIFICATES, SlurmSettings

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
pytest.importorskip("cryptography")

SECONDS = 5.0
HELLO = b"GET /info/main/workers.html HTTP/1.0\r\n\r\n"


def listening() -> set[tuple[str, int]]:
    """Address and port of every socket on which this process and its children listen."""
    found = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        # A child of an earlier test may end meanwhile; it listens to nothing.
        with suppress(psutil.NoSuchProcess):
            found |= {
                (connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


@pytest.fixture(scope="module")
def run() -> Iterator[tuple[Dask, set[tuple[str, int]]]]:
    """A worker as `--cluster local:1` starts it, and the sockets that came with it."""
    before = listening()
    with open_workers(parse_cluster("local:1"), 1) as (executor, _, _):
        assert isinstance(executor, Dask)
        yield executor, listening() - before


def answer(address: tuple[str, int], context: ssl.SSLContext | None) -> bytes:
    """Return what a port says to a stranger; nothing if it hangs up."""
    try:
        with (
            socket.create_connection(address, SECONDS) as plain,
            nullcontext(plain) if context is None else context.wrap_socket(plain) as spoken,
        ):
            spoken.sendall(HELLO)
            return spoken.recv(1000)
    except (ConnectionError, ssl.SSLError):
        return b""


def test_ports_are_those_of_this_machine_alone(run: tuple[Dask, set[tuple[str, int]]]) -> None:
    """Scheduler, worker and its guardian listen on 127.0.0.1, and nothing else listens."""
    _, sockets = run
    assert {address for address, _ in sockets} == {"127.0.0.1"}
    assert len(sockets) == 3


def test_no_port_answers_without_the_certificate(run: tuple[Dask, set[tuple[str, int]]]) -> None:
    """Plain words and TLS without a certificate get no answer: no page, no message of Dask's."""
    _, sockets = run
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for address in sockets:
        said = answer(address, None)
        assert b"HTTP" not in said
        assert b"dask" not in said.lower()
        assert answer(address, stranger) == b""


@pytest.mark.parametrize("kind", ["none", "another"])
def test_a_second_client_is_refused(run: tuple[Dask, set[tuple[str, int]]], kind: str) -> None:
    """A client without a certificate, or with one of its own, cannot run anything; ours can."""
    executor, _ = run
    address = executor.client.scheduler.address
    others: dict[str, dict[str, Any]] = {
        "none": {"address": address.replace("tls:", "tcp:")},
        "another": {"address": address, "security": distributed.Security.temporary()},
    }
    with pytest.raises(OSError, match=r"(?i)timed out|connect|certificate"):
        distributed.Client(**others[kind], timeout=1, set_as_default=False)
    assert set(executor.client.run(os.getpid).values()) != {os.getpid()}


STRANGER = """
import json, os, socket, ssl, sys
asked = json.loads(sys.stdin.read())
said = {"user": os.getuid(), "ports": [], "files": []}
for host, port in asked["ports"]:
    for is_tls in (False, True):
        try:
            spoken = socket.create_connection((host, port), 5)
            if is_tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                spoken = context.wrap_socket(spoken)
            spoken.sendall(asked["hello"].encode())
            said["ports"].append(spoken.recv(1000).decode(errors="replace"))
        except (ConnectionError, ssl.SSLError):
            said["ports"].append("")
for path in asked["files"]:
    try:
        found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(9)
        said["files"].append(str(found))
    except OSError as error:
        said["files"].append(type(error).__name__)
print(json.dumps(said))
"""
NOBODY = 65534


def tell_as_nobody(asked: dict[str, Any]) -> dict[str, Any]:
    """Try ports and files from another account of this machine.

    Its Python is the system's: ours may lie where only root can read.
    """
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can act as another account")
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("no Python that all accounts of this machine can run")
    told = subprocess.run(
        [python, "-I", "-c", STRANGER],
        input=json.dumps(asked | {"hello": HELLO.decode()}),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **{"user": NOBODY, "group": NOBODY, "extra_groups": []},
    )
    said: dict[str, Any] = json.loads(told.stdout)
    assert said["user"] == NOBODY
    return said


def test_another_account_gets_nothing(run: tuple[Dask, set[tuple[str, int]]]) -> None:
    """No port answers it, and it reads neither certificates nor what processes were told."""
    executor, sockets = run
    process = executor.client.run(os.getpid)
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        os.chmod(open_to_all, 0o755)
        folder = Path(open_to_all, "certificates")
        folder.mkdir()  # even where the folder itself is not private
        security = make_certificates()
        store_certificates(security, folder)
        private = [str(file) for file in folder.iterdir()]
        seen = [f"/proc/{number}/environ" for number in (os.getpid(), *process.values())]
        said = tell_as_nobody({"ports": sorted(sockets), "files": [*private, *seen, str(folder)]})
    assert len(private) == 3
    *refused, listed = said["files"]
    assert set(refused) == {"PermissionError"}
    assert "tls_worker_key.pem" in listed  # it did look
    assert len(said["ports"]) == 2 * len(sockets)
    for answer_of_port in said["ports"]:
        assert "HTTP" not in answer_of_port
        assert "dask" not in answer_of_port.lower()
    assert not any(said["ports"][1::2])


SBATCH = """#!/bin/sh
if [ "$1" = --test-only ]; then cat >/dev/null; exit 0; fi
cp "$1" "{folder}/job.sh"
setsid sh "{folder}/job.sh" >"{folder}/job.out" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = '#!/bin/sh\nkill -TERM -- "-$1"\n'


def test_jobs_identify_themselves_by_private_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates of SLURM jobs are read by their user alone, and are gone after the run."""
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = SlurmSettings(
        **{"workers": 1, "cores": 1, "memory": "1GB", "interface": "lo"},
        **{"certificate_directory": str(tmp_path), "wait_minutes": 1},
    )
    with open_workers(settings, 1) as (executor, found, place):
        assert isinstance(executor, Dask)
        assert (found.kind, found.n_workers) == ("slurm", 1)
        assert "of tls://127.0.0.1:" in place
        (folder,) = tmp_path.glob(f"{CERTIFICATES}*")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = list(folder.iterdir())
        assert files
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        script = (tmp_path / "job.sh").read_text()
        assert "PRIVATE KEY" not in script
        assert "--no-dashboard" in script
        assert executor.client.run(int) != {}
    assert not folder.exists()


def test_without_the_library_of_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed what makes certificates reads how to; nothing is started without."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with (
        pytest.raises(ClusterError, match=r"needs the library cryptography.+install it with: "),
        open_workers(parse_cluster("local:1"), 1),
    ):
        pass


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder of certificates that is not there is named, and nothing is submitted."""
    pytest.importorskip("dask_jobqueue")
    missing = tmp_path / "missing"
    settings = SlurmSettings(
        **{"workers": 1, "cores": 1, "memory": "1GB", "certificate_directory": str(missing)}
    )
    with (
        pytest.raises(ClusterError, match=r"missing: no folder for the certificates"),
        open_workers(settings, 1),
    ):
        pass


def test_a_given_scheduler_is_trusted_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that whoever runs a scheduler, or reaches one without TLS, runs code as you."""
    caplog.set_level("INFO", "cryofocus")
    for address, ending in (
        ("tcp://a:1", "as can whoever reaches its port"),
        ("tls://a:1", "ers"),
    ):
        with parse_cluster(address).open(None, {}):
            pass
        said = caplog.messages[-1]
        assert said.startswith(f"{address}: whoever runs this scheduler can run code as you")
        assert said.endswith(ending)


def test_what_killed_runs_leave_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that removes it is started with an option that keeps it from warning."""
    seen: list[list[str]] = []
    monkeypatch.setattr(
        private.resource_tracker, "ensure_running", lambda: seen.append([*sys.warnoptions])
    )
    before = [*sys.warnoptions]
    private._track_without_words()
    assert seen == [[*before, private.WITHOUT_WORDS]]
    assert sys.warnoptions == before
    for options, is_silent in (([], False), ([f"-W{private.WITHOUT_WORDS}"], True)):
        reading, writing = os.pipe()
        os.write(writing, b"REGISTER:/left-behind:semaphore\n")
        os.close(writing)
        code = f"from multiprocessing.resource_tracker import main; main({reading})"
        words = [sys.executable, *options, "-c", code]
        ended = subprocess.run(words, pass_fds=[reading], capture_output=True, check=True)
        os.close(reading)
        assert (ended.stderr == b"") == is_silent


def test_workers_that_do_not_start_are_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Dask says of processes that the system refuses is part of advice."""

    def refuse(**_: Any) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(private, "SpecCluster", refuse)
    with pytest.raises(ClusterError) as caught, open_workers(parse_cluster("local:2"), 1):
        pass
    assert str(caught.value) == (
        "cluster: 2 workers do not start (Nanny failed to start.); expected processes on this "
        "machine. Mostly the system refuses them memory or processes (ulimit -v, ulimit -u, "
        "--mem of a batch system): raise the limit, give fewer workers (--cluster local:1), or "
        "leave --cluster out."
    )
