"""The humanoid of few beads, which is soon imaged."""

from __future__ import annotations

from dataclasses import replace

from cryofocus.simulate.phantom import Phantom, humanoid


def every_tenth_bead() -> Phantom:
    """Every tenth bead of the standard humanoid."""
    full = humanoid()
    return replace(
        full,
        centre_angstrom=full.centre_angstrom[::10],
        sigma_angstrom=full.sigma_angstrom[::10],
        weight=full.weight[::10],
        part=full.part[::10],
    )
