"""Schedulers and workers of Dask's that only the run itself can talk to.

Whoever can send a message to a scheduler or worker runs code as its user. Here every connection
needs a certificate that was made for the run (TLS, in both directions), and the web servers that
Dask starts beside, which ask for none, are left out.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from distributed import Nanny, Scheduler, Security, SpecCluster, Worker
from distributed.deploy.utils import nprocesses_nthreads
from distributed.http.routing import RoutingApplication
from distributed.worker_memory import parse_memory_limit
from tornado.httpserver import HTTPServer

from cryofocus.errors import ClusterError
from cryofocus.extras import install_command

logger = logging.getLogger(__name__)

# Of the process that removes what killed processes leave behind, which says so on the terminal.
WITHOUT_WORDS = "ignore::UserWarning:multiprocessing.resource_tracker"
ADDRESS, PROTOCOL = "127.0.0.1", "tls://"


class _WithoutPages:
    """A node that serves no web pages: their server exists, and listens nowhere."""

    def start_http_server(self, routes: object, address: object, **options: object) -> None:
        """Start nothing."""
        del routes, address, options
        self.http_application = RoutingApplication([])
        self.http_server = HTTPServer(self.http_application)


class QuietScheduler(_WithoutPages, Scheduler):  # type: ignore[misc]
    """A scheduler without web pages."""


class QuietWorker(_WithoutPages, Worker):  # type: ignore[misc]
    """A worker without web pages."""


def make_certificates() -> Security:
    """Make certificates for one run; they exist in the memory of its processes.

    Raises:
        ClusterError: When the library that makes them is missing.
    """
    try:
        return Security.temporary()
    except ImportError as error:
        raise ClusterError(
            "cluster: needs the library cryptography, which is not installed. Leave --cluster "
            f"out, or install it with: {install_command('cluster')}"
        ) from error


def store_certificates(security: Security, folder: Path) -> None:
    """Put what workers of other machines identify themselves by into files of their user alone.

    Args:
        security: Of `make_certificates`; names the files afterwards.
        folder: Private, and read by the workers.
    """
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        path = folder / f"{name}.pem"
        with open(path, "x", encoding="ascii", opener=_open_for_user_alone) as file:
            file.write(getattr(security, name))
        setattr(security, name, str(path))


def _open_for_user_alone(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@contextmanager
def private_cluster(n_workers: int | None, threads: int | None) -> Iterator[SpecCluster]:
    """Start worker processes on this machine that nobody else can talk to.

    Args:
        n_workers: None lets their number follow from the processors.
        threads: Of each worker; None shares the processors.

    Raises:
        ClusterError: When certificates cannot be made, or processes do not start.
    """
    n_processes, n_threads = nprocesses_nthreads()
    if n_workers is None and threads is not None:
        n_workers = max(1, n_processes * n_threads // threads)
    n_workers, threads = n_workers or n_processes, threads or n_threads
    security = make_certificates()
    shared: dict[str, Any] = {"host": ADDRESS, "protocol": PROTOCOL, "security": security}
    worker: dict[str, Any] = {
        "cls": Nanny,
        "options": {
            **shared,
            "worker_class": QuietWorker,
            "nthreads": threads,
            "memory_limit": parse_memory_limit("auto", 1, n_workers, logger=logger),
            "dashboard": False,
            "silence_logs": logging.CRITICAL,
        },
    }
    _track_without_words()
    scheduler = {"cls": QuietScheduler, "options": {**shared, "port": 0, "dashboard": False}}
    try:
        cluster = SpecCluster(
            workers=dict.fromkeys(range(n_workers), worker),
            scheduler=scheduler,
            worker=worker,
            security=security,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise ClusterError(
            f"cluster: {n_workers} workers do not start ({error}); expected processes on this "
            "machine. Mostly the system refuses them memory or processes (ulimit -v, ulimit -u, "
            "--mem of a batch system): raise the limit, give fewer workers (--cluster local:1), "
            "or leave --cluster out."
        ) from error
    with cluster:
        yield cluster


def _track_without_words() -> None:
    """Start the process that outlives this one and removes its semaphores, warnings switched off.

    It inherits options of this interpreter, which are the only way to tell it.
    """
    sys.warnoptions.append(WITHOUT_WORDS)
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(WITHOUT_WORDS)
