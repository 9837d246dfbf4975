"""A humanoid of few beads: quick, and as exact as the full one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cryofocus.simulate.phantom import Phantom, humanoid


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """Every tenth bead of the standard humanoid, ten times as heavy."""
    full = humanoid()
    return replace(
        full,
        centre_angstrom=full.centre_angstrom[::10],
        sigma_angstrom=full.sigma_angstrom[::10],
        weight=10.0 * full.weight[::10],
        part=full.part[::10],
    )
