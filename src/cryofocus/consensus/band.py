"""The Fourier coefficients that enter a computation, as a packed list of half-plane points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from cryofocus.maths.fourier import hermitian_weights
from cryofocus.maths.grids import shell_index_2d
from cryofocus.placement import Array, beside, device, is_on_host, namespace


@dataclass(frozen=True, eq=False)
class Band:
    """Points of an image's half plane with Fourier radius below a limit.

    Attributes:
        box: Edge of the image in pixels.
        rows: `(point,)` row indices into a half transform `(box, box//2+1)`.
        columns: `(point,)` column indices.
        shells: `(point,)` rounded Fourier radius of each point.
        hermitian: `(point,)` 2 where the point also stands for its Friedel mate, else 1.
    """

    box: int
    rows: Int64[np.ndarray, " point"]
    columns: Int64[np.ndarray, " point"]
    shells: Int64[np.ndarray, " point"]
    hermitian: Float32[np.ndarray, " point"]

    @staticmethod
    def disc(box: int, n_shells: int) -> Band:
        """Return all points whose rounded radius is below `n_shells` (at most `box//2`)."""
        return _disc(box, min(n_shells, box // 2))

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.rows)

    def take(self, places: Int64[np.ndarray, " some"]) -> Band:
        """Return the band of some of the points."""
        parts = (self.rows, self.columns, self.shells, self.hermitian)
        return Band(self.box, *(part[places] for part in parts))

    @property
    def n_shells(self) -> int:
        """Number of shells that hold points."""
        return int(self.shells.max()) + 1

    @cached_property
    def places(self) -> Int64[np.ndarray, " point"]:
        """Return the index of each point in a half transform laid out as one line."""
        return np.asarray(self.rows * (self.box // 2 + 1) + self.columns)

    def pick(self, half: Shaped[Array, "n box half"]) -> Shaped[Array, "n point"]:
        """Take the band's points out of half transforms."""
        xp = namespace(half)
        lines = xp.reshape(half, (half.shape[0], -1))
        return xp.take(lines, beside(self.places, half), axis=1)

    def scatter(self, packed: Shaped[Array, "n point"]) -> Shaped[Array, "n box half"]:
        """Put packed points back into half transforms that are zero elsewhere."""
        shape = (packed.shape[0], self.box, self.box // 2 + 1)
        if is_on_host(packed):
            half = np.zeros(shape, packed.dtype)
            half[:, self.rows, self.columns] = packed
            return half
        # Devices' arrays are not assigned to by lists of places, but taken from.
        xp = namespace(packed)
        nothing = xp.zeros((shape[0], 1), dtype=packed.dtype, device=device(packed))
        source = np.full(shape[1] * shape[2], len(self), np.int64)
        source[self.places] = np.arange(len(self))
        with_nothing = xp.concat([packed, nothing], axis=1)
        return xp.reshape(xp.take(with_nothing, beside(source, packed), axis=1), shape)

    def grid_points(self, padding: int | float) -> Float32[np.ndarray, "point 2"]:
        """Return (kx, ky) in units of a grid padded by `padding`."""
        ky = np.where(self.rows < (self.box + 1) // 2, self.rows, self.rows - self.box)
        return np.stack([self.columns, ky], axis=1).astype(np.float32) * np.float32(padding)

    def shell_sums(
        self, values: Shaped[np.ndarray, "n point"]
    ) -> Float32[np.ndarray, "n n_shells"]:
        """Sum values over each shell of the full plane (Hermitian weights applied)."""
        order = np.argsort(self.shells, kind="stable")
        starts = np.searchsorted(self.shells[order], np.arange(self.n_shells))
        weighted = values[:, order] * self.hermitian[order]
        return np.add.reduceat(weighted, starts, axis=1).astype(np.float32)

    def shell_counts(self) -> Float32[np.ndarray, " n_shells"]:
        """Return the number of full-plane coefficients in each shell."""
        return np.bincount(self.shells, weights=self.hermitian).astype(np.float32)


@lru_cache(maxsize=8)
def _disc(box: int, n_shells: int) -> Band:
    """Return the same disc to all who ask, and with it what they keep beside it."""
    shells = shell_index_2d(box)
    rows, columns = np.nonzero(shells < n_shells)
    return Band(
        box,
        rows.astype(np.int64),
        columns.astype(np.int64),
        shells[rows, columns].astype(np.int64),
        hermitian_weights(box)[columns].astype(np.float32),
    )
