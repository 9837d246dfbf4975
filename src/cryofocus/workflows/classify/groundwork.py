"""What was read and found out before a classification, which it need not do again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryofocus.data.file_state import FileState, describe_changes, read_states
from cryofocus.data.particles import ParticleSet
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.run.job import Finding


@dataclass(frozen=True, eq=False)
class ReadParticles:
    """A particle set, and the files that it was read from as they were.

    Attributes:
        particles: The set.
        files: Of the table.
    """

    particles: ParticleSet
    files: Mapping[Path, FileState]

    @classmethod
    def read(cls, request: ClassifyRequest) -> ReadParticles:
        """Read the particle set of a request.

        Raises:
            InputError: When a file cannot be used.
        """
        files = read_states([request.particles, *request.passthrough])
        particles = ParticleSet.read(
            request.particles, datadir=request.datadir, supplement=request.supplement
        )
        return cls(particles, files)

    def renewed(self, request: ClassifyRequest) -> ReadParticles:
        """Read again what has changed in the meantime."""
        return self if describe_changes(self.files) is None else self.read(request)


@dataclass(frozen=True, eq=False)
class Groundwork:
    """What came before a classification.

    Attributes:
        findings: About its region.
        clock: What it took.
        table: The particles, if they were read.
        was_searched: Whether the region was found in the particles themselves.
    """

    findings: tuple[Finding, ...] = ()
    clock: StageClock = field(default_factory=StageClock)
    table: ReadParticles | None = None
    was_searched: bool = False

    def read(self, request: ClassifyRequest) -> ReadParticles:
        """Return the particles, read again only if they have changed.

        Raises:
            InputError: When a file cannot be used.
        """
        if self.table is None:
            return ReadParticles.read(request)
        return self.table.renewed(request)
