"""Room for large arrays: in memory while they fit, on disk beyond."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from cryofocus.arrays import AnyArray
from cryofocus.data.atomic import explain_write_errors
from cryofocus.errors import OutputError
from cryofocus.workflows.machine.hardware import memory_bound_gb, peak_memory_gb
from cryofocus.workflows.run.writing import require_free_space

logger = logging.getLogger(__name__)


class StatisticsStore:
    """Allocates arrays within a bound on memory.

    Arrays on disk lie in files without a name, which vanish with the process, however it ends.

    Args:
        folder: Existing folder for the files.
        memory_gb: Bound for the whole process; None takes most of the machine's memory.
        needed_later_gb: What must be left of it for what is allocated elsewhere, later.

    Attributes:
        on_disk_gb: What lies on disk; while it is read it shows as memory of the process, which
            the system takes back when it needs it.
    """

    def __init__(
        self, folder: Path, memory_gb: float | None = None, needed_later_gb: float = 0.0
    ) -> None:
        self._folder = folder.resolve()  # workers may stand elsewhere
        self._memory_gb, self._needed_later_gb = memory_gb, needed_later_gb
        self._allocated_gb = 0.0
        self.on_disk_gb = self._told_gb = 0.0

    @cached_property
    def _bound_gb(self) -> float:
        """The bound, of the machine on which arrays are made."""
        return memory_bound_gb(self._memory_gb)

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """Return an array whose values are not set.

        Raises:
            OutputError: When it has to lie on disk and the disk has no room.
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        needed_gb = n_bytes / 1e9
        taken_gb = peak_memory_gb() + self._allocated_gb + self._needed_later_gb
        if taken_gb + needed_gb <= self._bound_gb or n_bytes == 0:
            # Empty pages are not resident yet, so the peak does not show them.
            self._allocated_gb += needed_gb
            return np.empty(shape, dtype)
        mapped = self._map_file(shape, np.dtype(dtype), n_bytes)
        self.on_disk_gb += needed_gb
        # Once, and again when it has become twice as much.
        if self.on_disk_gb >= 2 * self._told_gb:
            self._told_gb = self.on_disk_gb
            lying_gb = self.on_disk_gb
            lying = f"{lying_gb:.1f} GB" if lying_gb > 1 else f"{1000 * lying_gb:.0f} MB"
            logger.info(
                "%s of maps or statistics lie on disk in %s, because memory is limited to %.3g "
                "GB; what needs them takes longer",
                *(lying, self._folder, self._bound_gb),
            )
        return mapped

    def _map_file(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], n: int) -> AnyArray:
        if not self._folder.is_dir():
            raise OutputError(
                f"{self._folder}: folder not found; expected the run directory, in which "
                "statistics lie that exceed the memory. Put it where all machines see it, or give "
                "workers more memory."
            )
        require_free_space(
            self._folder,
            n,
            what="statistics that exceed the memory",
            otherwise="allow more --memory, and finish the run with --resume",
        )
        with (
            explain_write_errors(self._folder / "statistics"),
            tempfile.TemporaryFile(dir=self._folder) as file,
        ):
            # Blocks reserved now: a full disk is an error here and a crash (SIGBUS) later.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n)
            mapped = np.memmap(file, dtype=dtype, mode="r+" if n else "w+", shape=shape)
        # Compiled loops and the rest of NumPy see a plain array; the mapping lives as long as it.
        return np.asarray(mapped)
