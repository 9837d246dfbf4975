"""Libraries that crash where the system refuses them memory: the user still reads a sentence.

LLVM calls `abort`, and native code that does not look at what it was given is ended by the system
(SIGSEGV). Nothing inside the process can be relied on then; its parent can.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from cryofocus.workflows.machine.memory_refused import OUT_OF_MEMORY, is_address_space_limited

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT}
EXIT_REFUSED = 2
PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_PR_SET_PDEATHSIG = 1  # of Linux; see prctl(2)


def explain_crashes() -> None:
    """Go on in a child process if address space is limited; a crash is then a message and exit 2.

    The parent passes on signals and ends as its child does. Without a limit nothing happens: a
    crash is then a fault of a library, and is not to be called want of memory.
    """
    if sys.platform != "linux" or not is_address_space_limited():
        return
    awaited = {*PASSED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    parent, child = os.getpid(), os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
        return
    _end_like(_wait_for(child, awaited))


def _wait_for(child: int, awaited: set[signal.Signals]) -> int:
    """Pass on signals until a child process has ended; return how it did."""
    while True:
        told = signal.sigwaitinfo(awaited)
        # What a terminal sends, it sends to the child, too; only processes send to one alone.
        if told.si_signo in PASSED_ON and told.si_code <= 0:
            os.kill(child, told.si_signo)
        process, status = os.waitpid(child, os.WNOHANG)
        if process == child:
            return os.waitstatus_to_exitcode(status)


def _end_like(status: int) -> None:
    """Leave this process with the exit status of the child, but for crashes."""
    if -status in CRASHES:
        os.write(2, f"\nError: {OUT_OF_MEMORY}\n".encode())
        status = EXIT_REFUSED
    os._exit(status if status >= 0 else 128 - status)
