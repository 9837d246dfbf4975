"""A background that differs from particle to particle.

What a particle shows besides its own background, low-resolution fields outside the region in
focus with a coordinate per particle, is added to another background's slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Complex64, Float32, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside, fetch, namespace


@dataclass(frozen=True, eq=False)
class OutsideFields:
    """How the density outside of a region differs from particle to particle.

    Attributes:
        grid: `(edge, edge, edge//2+1, field)` padded transforms of the fields, sampled as coarsely
            as their shells allow.
        coordinates: `(particle, field)`.
        n_shells: Shells of the particle's box on which the fields have power.
    """

    grid: Complex64[np.ndarray, "edge edge half field"]
    coordinates: Float32[np.ndarray, "particle field"]
    n_shells: int

    def of_range(self, rows: slice) -> OutsideFields:
        """Return those of a range of particles; the grid stays the same object."""
        return replace(self, coordinates=self.coordinates[rows])


@dataclass(frozen=True, eq=False)
class FlexibleBackground:
    """`Background` that adds each particle's own fields to another one.

    Attributes:
        rigid: What the particles have in common.
        fields: What they have not.
    """

    rigid: Background
    fields: OutsideFields

    @property
    def images(self) -> ParticleImages:
        """The images it belongs to."""
        return self.rigid.images

    @property
    def kernels(self) -> SliceKernels:
        """Slice kernels of the device."""
        return self.rigid.kernels

    @property
    def n_columns(self) -> int:
        """Backgrounds side by side; the fields are in each of them."""
        return self.rigid.n_columns

    def slices(
        self, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[Array, "n point column"]:
        """Return what some of the images hold of it, before CTF and intensity."""
        common = self.rigid.slices(band, which)
        inner = np.flatnonzero(band.shells < self.fields.n_shells)
        own = np.zeros((len(which), len(band), 1), np.complex64)
        own[:, inner, 0] = self._gather(band.take(inner), which)
        return namespace(common).add(common, beside(own, common))

    def of_range(self, rows: slice) -> Callable[[ParticleImages], FlexibleBackground]:
        """Return what makes the same background of a range's images."""
        return partial(_combine, self.rigid.of_range(rows), self.fields.of_range(rows))

    def _gather(
        self, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[np.ndarray, "n point"]:
        """Return the sum of the fields' slices at the particles' coordinates."""
        grid = self.kernels.send(self.fields.grid)
        geometry = self.images.geometry(band, PADDING, grid.shape[0], which)
        slices = fetch(self.kernels.gather(grid, geometry))
        return np.asarray(np.einsum("npf,nf->np", slices, self.fields.coordinates[which]))


def _combine(
    rigid: Callable[[ParticleImages], Background], fields: OutsideFields, images: ParticleImages
) -> FlexibleBackground:
    return FlexibleBackground(rigid(images), fields)
