"""What every question asked of a particle set stands on, once its consensus is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.flexible import OutsideFields
from cryofocus.data.mask import FocusMask
from cryofocus.execution.monitor import Monitor
from cryofocus.kernels.contract import SliceKernels

Allocate = Callable[..., np.ndarray]
"""Makes large arrays, given shape and type."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The particles and their consensus, the region looked at, and what computes.

    Attributes:
        consensus: Prepared images, consensus map, noise and scale prior.
        mask: The region in focus, on the grid of the files; the consensus may have a coarser one.
        half_set: `(particle,)` 1 or 2.
        n_shells: Shells of the particle's box that are compared.
        kernels: Slice kernels of the device.
        monitor: Progress.
        allocate: Makes large arrays.
        solvent: Mask that the consensus was multiplied by, on the grid of the files; or None.
        outside: How the density outside the region differs between particles; None where it is
            taken to be the consensus.
    """

    consensus: Consensus
    mask: FocusMask
    half_set: Int8[np.ndarray, " particle"]
    n_shells: int
    kernels: SliceKernels
    monitor: Monitor
    allocate: Allocate = np.empty
    solvent: Float32[np.ndarray, "box box box"] | None = None
    outside: OutsideFields | None = None
