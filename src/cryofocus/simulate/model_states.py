"""Particles that show one of several maps: settings, projections, and the best classifier.

Projections are central slices of the maps' transforms, read between their nodes so accurately
(`kernels/window.py`) that a projection of a map differs from the true one by a ten-thousandth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int64
from pydantic import model_validator
from scipy.special import logsumexp

from cryofocus.errors import SettingError
from cryofocus.kernels.window import WindowedMaps
from cryofocus.maths.fourier import shift_phases
from cryofocus.maths.grids import shell_index_2d
from cryofocus.option import Option
from cryofocus.simulate.acquisition import AcquisitionSettings
from cryofocus.simulate.image_formation import Views


class ModelSettings(AcquisitionSettings):
    """Parameters of a set of particles made from models, one per state.

    Attributes:
        shares: How often each state occurs, one number per model. Default: equally often.
        centre_angstrom: X,Y,Z in the frame of the models, in Å, of what is put into the centre of
            the box, such as a point on the axis of a symmetric molecule. Default: the middle of
            the box that encloses the atoms of all models.
    """

    shares: Annotated[
        tuple[float, ...], Option(metavar="A,B,...", expected="numbers such as 1,2,0.5")
    ] = ()
    centre_angstrom: Annotated[
        tuple[float, float, float] | None,
        Option(metavar="X,Y,Z", expected="three numbers in Å, such as 180,180,142"),
    ] = None

    @model_validator(mode="after")
    def _shares_above_zero(self) -> ModelSettings:
        if any(share <= 0 or not np.isfinite(share) for share in self.shares):
            shown = ",".join(f"{share:g}" for share in self.shares)
            raise SettingError(
                f"shares: found {shown}, expected positive numbers, one per model. Leave out the "
                "models that should not occur."
            )
        return self

    def probabilities(self, n_states: int) -> Float64[np.ndarray, " n_states"]:
        """Return the probability of every state.

        Raises:
            SettingError: When there are not as many shares as states.
        """
        if self.shares and len(self.shares) != n_states:
            raise SettingError(
                f"shares: found {len(self.shares)} numbers for {n_states} models, expected as "
                "many. Give one number per model, in their order."
            )
        shares = np.array(self.shares or (1.0,) * n_states)
        return np.asarray(shares / shares.sum())

    def draw_states(self, n_states: int) -> Int64[np.ndarray, " n"]:
        """Draw the state of every particle, counted from zero."""
        probabilities = self.probabilities(n_states)
        return self.generators()[0].choice(n_states, size=self.particles, p=probabilities)


@dataclass(frozen=True, eq=False)
class PlacedMaps:
    """Maps that lie somewhere in a particle, and are projected to its images.

    Attributes:
        grid: Their transforms.
        voxel_size_angstrom: Å per voxel.
        centre_angstrom: x, y, z of their centres from the particle's.
    """

    grid: WindowedMaps
    voxel_size_angstrom: float
    centre_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def project(
        self, views: Views, rows: slice, box: int, pixel_size_angstrom: float
    ) -> Complex64[np.ndarray, "n map box half"]:
        """Return the half transforms of all maps' projections of some particles.

        Nothing is beyond the circle of the last shell that every direction of images and of maps
        has.
        """
        ratio = self.grid.box * self.voxel_size_angstrom / (box * pixel_size_angstrom)
        last = min(box // 2, self.grid.box // 2 / ratio)
        at = np.nonzero(shell_index_2d(box) < last)
        ky = np.where(at[0] < (box + 1) // 2, at[0], at[0] - box)
        points = np.stack([at[1], ky], axis=1) * ratio
        matrices = np.asarray(views.rotation[rows, :2], np.float64)
        slices = self.grid.gather(points, matrices)
        images = np.zeros((len(matrices), self.grid.n_maps, box, box // 2 + 1), np.complex64)
        images[:, :, at[0], at[1]] = np.moveaxis(slices, 2, 1)
        # The particle sits at minus the shift that centres it.
        seen = matrices @ np.array(self.centre_angstrom) - views.shift_angstrom[rows]
        images *= shift_phases(box, pixel_size_angstrom, seen)[:, None]
        return images


@dataclass(frozen=True, eq=False)
class StateProjector:
    """Projects all states at a particle's view.

    Attributes:
        maps: Density of every state, on one grid.
        pixel_size_angstrom: Å per voxel and pixel.
        grid: Their transforms.
    """

    maps: Float32[np.ndarray, "state box box box"]
    pixel_size_angstrom: float
    grid: WindowedMaps

    @classmethod
    def of(
        cls, maps: Float32[np.ndarray, "state box box box"], pixel_size_angstrom: float
    ) -> StateProjector:
        """Transform maps."""
        return cls(maps, pixel_size_angstrom, WindowedMaps.of(maps))

    def scaled(self, gain: float) -> StateProjector:
        """Return the projector of the maps times a positive number."""
        maps = (self.maps * np.float32(gain)).astype(np.float32)
        return replace(self, maps=maps, grid=self.grid.scaled(gain))

    def project(self, views: Views, rows: slice) -> Complex64[np.ndarray, "n state box half"]:
        """Return the half transforms of all states' projections of some particles."""
        placed = PlacedMaps(self.grid, self.pixel_size_angstrom)
        return placed.project(views, rows, self.grid.box, self.pixel_size_angstrom)


def state_posteriors(
    matched: Float[np.ndarray, "n states"],
    gram: Float[np.ndarray, "n states states"],
    probabilities: Float[np.ndarray, " states"],
) -> Float32[np.ndarray, "n states"]:
    """Return what the best classifier says, which knows maps, poses, CTF, noise and shares.

    Args:
        matched: From `oracle.part_statistics`, states for parts.
        gram: From the same.
        probabilities: Of the states.
    """
    power = np.diagonal(gram, axis1=1, axis2=2)
    joint = matched - 0.5 * power + np.log(probabilities)
    return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), np.float32)
