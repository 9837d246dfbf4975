"""How finely and how far a global search looks: its levels, from the particle and the resolution.

Turning a particle of diameter D by an angle a moves its rim by a D/2, which matters to detail of
size d once it is about d/4. So a grid of step a serves detail of size a D and coarser: the first
level takes detail that coarse, and each further level half the step and twice the detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from cryofocus.maths.filters import lowpass
from cryofocus.maths.symmetry import OperatorSet

STEP_DEGREES = 6.0
"""Of the first level, unless the resolution allows a larger one."""
# Candidates kept from the first level; half as many from each further one, down to the last.
FIRST_CANDIDATES, LAST_CANDIDATES = 16, 4
# Refinement by gradient starts from the right side if detail at the rim is off by an eighth.
LAST_STEP = 0.5
SHIFTS_PER_DETAIL = 4
# What a map holds beyond a tenth of its highest density is taken for the particle.
DENSITY_SHARE = 0.1


@dataclass(frozen=True)
class SearchLevel:
    """One level of a search.

    Attributes:
        degrees: Distance of neighbouring views and turns.
        resolution_angstrom: Finest detail compared.
        n_candidates: Poses kept of each particle.
    """

    degrees: float
    resolution_angstrom: float
    n_candidates: int

    @property
    def shift_angstrom(self) -> float:
        """Distance of neighbouring shifts."""
        return self.resolution_angstrom / SHIFTS_PER_DETAIL


@dataclass(frozen=True, eq=False)
class SearchScope:
    """What is searched.

    Attributes:
        max_resolution_angstrom: Finest detail compared.
        max_shift_angstrom: Largest shift tried.
        diameter_angstrom: Of the particle, about the box centre.
        operators: Symmetry of the reference; one of equivalent poses is found.
        step_degrees: Of the first level; None takes what resolution and diameter allow.
    """

    max_resolution_angstrom: float
    max_shift_angstrom: float
    diameter_angstrom: float
    operators: OperatorSet
    step_degrees: float | None = None

    @property
    def resolved_degrees(self) -> float:
        """Turn that moves the rim by half of the finest detail: below it poses are the same."""
        return float(np.degrees(self.max_resolution_angstrom / self.diameter_angstrom))

    @property
    def levels(self) -> tuple[SearchLevel, ...]:
        """The first level, over all poses, and those around candidates."""
        step = self.step_degrees or max(STEP_DEGREES, self.resolved_degrees)
        n_candidates, levels = FIRST_CANDIDATES, []
        while True:
            detail = float(np.radians(step)) * self.diameter_angstrom
            resolution = max(self.max_resolution_angstrom, detail)
            levels.append(SearchLevel(step, resolution, n_candidates))
            if step <= LAST_STEP * self.resolved_degrees and len(levels) > 1:
                return tuple(levels)
            step, n_candidates = step / 2, max(n_candidates // 2, LAST_CANDIDATES)


def measure_diameter(
    volume: Float32[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> float:
    """Measure twice the distance from the box centre to the farthest part of a particle, in Å.

    The particle is the largest connected piece of the low-passed map above a tenth of its
    highest density. At most the box's edge.
    """
    smooth = lowpass(volume, voxel_size_angstrom, resolution_angstrom)
    pieces, n_pieces = ndimage.label(smooth > DENSITY_SHARE * smooth.max())
    extent = float(volume.shape[0] * voxel_size_angstrom)
    if n_pieces == 0:
        return extent
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    places = np.argwhere(pieces == largest) - volume.shape[0] // 2
    radius = float(np.sqrt((places**2).sum(axis=1).max())) * voxel_size_angstrom
    return min(2 * radius, extent)
