"""Image stacks that change while a run reads them are noticed at its end, and said."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.data.file_state import FileState, describe_changes, read_states
from cryofocus.data.particles import ParticleSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StackWatch:
    """The stacks of a particle set as they were before their images were used.

    Attributes:
        states: Of every stack that holds one of the particles.
    """

    states: Mapping[Path, FileState]

    @classmethod
    def begin(cls, particles: ParticleSet) -> StackWatch:
        """Look at the stacks.

        Raises:
            FormatError: When one cannot be read.
        """
        used = np.unique(particles.stack_of_particle).tolist()
        return cls(read_states([particles.stack_paths[stack] for stack in used]))

    def complaint(self) -> str | None:
        """Look again: say what has changed and what to do, or None."""
        changes = describe_changes(self.states)
        if changes is None:
            return None
        return (
            f"Images changed while they were being used: {changes}. The result may come from old "
            "and new images together. Once nothing writes to them, run again with --overwrite."
        )

    def warn(self) -> None:
        """Look again, and log what has changed."""
        if (complaint := self.complaint()) is not None:
            logger.warning("%s", complaint)
