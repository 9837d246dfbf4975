"""Where in the box a factor may change the density, and how readily."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import distance_transform_edt, gaussian_filter

from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.maths.masks import cosine_edge

# Density's strength is its root mean square over about a resolution element.
ENVELOPE_SIGMA_VOXELS, ENVELOPE_FLOOR = 1.5, 0.1
FULL_STRENGTH_PERCENTILE = 99.0
# What comes and goes with a region reaches beyond its mask by a part of the resolution.
REGION_MARGIN, REGION_EDGE = 0.4, 0.5

Volume = Float32[np.ndarray, "d d d"]


def particle_support(box: FocusBox, density: Volume) -> Volume:
    """Return where the particle is, dark surroundings included, at most 1.

    By the local strength of the consensus, of either sign: where a factor is present in a part
    of the particles only, its density may cancel the dark halo of its neighbours.

    Args:
        box: Whose mask bounds the support.
        density: The consensus in the small box.
    """
    power = gaussian_filter(density.astype(np.float64) ** 2, ENVELOPE_SIGMA_VOXELS)
    strength = np.sqrt(np.maximum(power, 0))
    full = float(np.percentile(strength[box.mask > 0.5], FULL_STRENGTH_PERCENTILE))
    if full <= 0:
        return box.mask
    weight = np.clip(np.sqrt(strength / full), ENVELOPE_FLOOR, 1)
    return np.asarray(box.mask * weight, np.float32)


def region_support(
    box: FocusBox,
    inside: Bool[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> Volume:
    """Return a region of the particle's box with a soft margin, in the small box."""
    distance = distance_transform_edt(~inside) * voxel_size_angstrom
    beyond = distance - REGION_MARGIN * resolution_angstrom
    soft = cosine_edge(beyond, REGION_EDGE * resolution_angstrom).astype(np.float32)
    # Maps of the small box are in units of its coarser voxels; a support is a number.
    finer = np.float32((box.sampled_box / len(inside)) ** 3)
    return np.clip(box.cut(soft) * finer, 0, 1)
