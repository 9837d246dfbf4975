"""Memory that the system refuses: how it is recognised, and what is said."""

from __future__ import annotations

import errno
import resource

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
    """Tell whether an error comes from memory that the system refused.

    Under a limit, a library that fails without saying why has not been given what it asked for.
    """
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    if isinstance(error, SystemError):
        return is_address_space_limited()
    return any(refusal in str(error).lower() for refusal in REFUSALS)


def is_address_space_limited() -> bool:
    """Tell whether this process may not take as much address space as it likes (`ulimit -v`)."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
