"""Memory that the system refuses: how it is recognised, and what is said."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from cryofocus.errors import SettingError

OUT_OF_MEMORY = (
    "not enough memory; what was finished is kept. Let the command use less (--memory, fewer "
    "--threads, a coarser --map-resolution), end other programs, or raise the limit of the job "
    "(ulimit -v, --mem of a batch system). Then give the same command again; a classification "
    "that has begun continues with --resume."
)
# What libraries say when the system refuses them memory for code or threads.
REFUSALS = ("can't start new thread", "failed to map segment", "cannot allocate memory")

# Libraries alone take so much of the address space; with less, they end the program themselves.
LEAST_ADDRESS_SPACE_MB = 800
EXIT_REFUSED = 2
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)


def require_address_space() -> None:
    """Refuse a limit in which not even the libraries start.

    Raises:
        SettingError: When the address space of the process is limited to less (`ulimit -v`).
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE_MB << 20:
        raise SettingError(
            f"ulimit -v: limits this process to {limit >> 20} MB, but the libraries alone need "
            f"{LEAST_ADDRESS_SPACE_MB} MB. Raise it (ulimit -v unlimited), or the memory of the "
            "job."
        )


def is_want_of_memory(error: BaseException) -> bool:
    """Tell whether an error comes from memory that the system refused."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return any(refusal in str(error).lower() for refusal in REFUSALS)


@contextmanager
def aborts_explained() -> Iterator[None]:
    """Turn aborts in this block into a message and exit status 2, if address space is limited.

    LLVM, which loads the compiled loops, calls `abort` where the system refuses it memory. Without
    a limit an abort is a fault, and stays one. Python's own handlers wait until the call that was
    interrupted returns, which `abort` never does.
    """
    library = ctypes.CDLL(None)
    library.signal.restype, library.signal.argtypes = ctypes.c_void_p, (ctypes.c_int, _Handler)
    handler = _Handler(_explain_abort)
    before = library.signal(signal.SIGABRT, handler)
    try:
        yield
    finally:
        library.signal(signal.SIGABRT, ctypes.cast(before, _Handler))


def _explain_abort(number: int) -> None:
    """Say what happened and leave; return, and let the process abort, without a limit."""
    del number
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        os.write(2, f"\nError: {OUT_OF_MEMORY}\n".encode())
        os._exit(EXIT_REFUSED)
