"""Particles that were read before are read again only if their file has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from cryofocus.workflows.classify.groundwork import Groundwork, ReadParticles
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest


def test_a_table_is_read_once_while_it_stays_as_it_is(
    small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path
) -> None:
    """The very same set is used; a row less in the file, and it is read again."""
    table = tmp_path / "particles.star"
    shutil.copy(small_set.directory / "particles.star", table)
    request = ask(small_set, particles=table, datadir=small_set.directory)
    read = ReadParticles.read(request)
    before = Groundwork(table=read)
    assert before.read(request).particles is read.particles
    lines = table.read_text().rstrip().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert len(before.read(request).particles) == len(read.particles) - 1
    assert len(Groundwork().read(request).particles) == len(read.particles) - 1
