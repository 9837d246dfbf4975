"""What a classification will take in memory, said before its runs."""

from __future__ import annotations

import logging

import numpy as np

from cryofocus.consensus.ground import Ground
from cryofocus.consensus.images import PADDING
from cryofocus.consensus.memory import MapMemory
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan
from cryofocus.inference.held_out import most_particles
from cryofocus.inference.settings import ClassifierSettings

logger = logging.getLogger(__name__)

# Of every coefficient of an image, what mask2d keeps: image and response.
WHOLE_BYTES = 12
# Of the points of the band, what early cycles take once more, about.
COARSE_POINTS = 0.4
# Of each particle and class, what runs hold: posteriors of this and of former states, likelihoods
# and weights, about.
CYCLE_BYTES = 180


def log_memory(ground: Ground, settings: ClassifierSettings) -> None:
    """Say what the run will take, and how maps are made to keep to what is allowed."""
    images, kernels = ground.consensus.images, ground.kernels
    edge, bound = PADDING * images.particles.box, kernels.host_gb
    at_once = min(kernels.columns_at_once(edge), settings.most_classes)
    logger.info(
        "memory: about %.2f GB%s; maps on grids of %d points, %s at a time",
        expected_memory_gb(ground, settings),
        "" if bound is None else f" of the {bound:.3g} GB allowed",
        edge,
        f"{at_once} of them" if kernels.halves_at_once(edge) else "one half set",
    )


def expected_memory_gb(ground: Ground, settings: ClassifierSettings) -> float:
    """Return the peak to expect; what exceeds the memory allowed will lie on disk."""
    images, kernels = ground.consensus.images, ground.kernels
    n_maps = settings.most_classes * (2 if settings.control_maps else 1)
    needed = MapMemory.of(images, kernels, settings.most_classes)
    kept = statistics_bytes(ground, settings) / 1e9
    if settings.asks_half_sets:
        # Of one half set at a time, copied to find classes in it alone.
        a_particle = max(1, int(1e9 * kept / len(images)))
        copied = most_particles(a_particle, kernels.host_gb)
        kept *= 1 + min(0.5, copied / len(images))
    kept += cycle_gb(len(images), settings)
    most = needed.peak(n_maps, kept)
    if kernels.host_gb is not None:
        most = min(most, max(kernels.host_gb, needed.peak(0)))
    return max(most, ground.consensus.made_gb)


def cycle_gb(n_particles: int, settings: ClassifierSettings) -> float:
    """Return what cycles hold besides the statistics."""
    return CYCLE_BYTES * n_particles * settings.most_classes / 1e9


def statistics_bytes(ground: Ground, settings: ClassifierSettings) -> int:
    """Return what is kept of the images while classes are found."""
    images, n_shells = ground.consensus.images, ground.n_shells
    if settings.method.compares_pixels:
        return WHOLE_BYTES * len(images) * len(images.largest_band())
    reach = int(np.ceil(n_shells * images.stretch))
    box = FocusBox.around(ground.mask.data, ground.mask.voxel_size_angstrom, reach)
    n_columns = 2 if settings.strategy == "mask3d" else 1
    whole = FocusPlan(box, n_shells, settings.storage).n_bytes(len(images), n_columns)
    return int(whole * (1 + COARSE_POINTS))
