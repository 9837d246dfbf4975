"""What every image holds besides what classes differ in, as slices at the images' poses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array


@runtime_checkable
class Background(Protocol):
    """What is taken out of the images before they are compared with anything.

    It may differ from particle to particle. Images are read where they lie, so the background of
    a range of them is made there, from the little that `of_range` says.
    """

    @property
    def images(self) -> ParticleImages:
        """The images it belongs to."""
        ...

    @property
    def kernels(self) -> SliceKernels:
        """Slice kernels of the device."""
        ...

    @property
    def n_columns(self) -> int:
        """Backgrounds side by side: intensities are fitted with the first."""
        ...

    def slices(
        self, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[Array, "n point column"]:
        """Return what some of the images hold of it, before CTF and intensity."""
        ...

    def of_range(self, rows: slice) -> Callable[[ParticleImages], Background]:
        """Return what makes the same background of a range's images; it can be sent to them.

        What is large should be the same object for all ranges: then it travels once.
        """
        ...
