"""Poses as columns of a particle table, by RELION's labels; what is known of them beside."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofocus.data.particle_table import ParticleTable
from cryofocus.data.relion.columns import (
    ANGLE_LABELS,
    SHIFT_LABELS,
    SHIFT_PIXEL_LABELS,
    shift_labels,
)
from cryofocus.data.relion.table import RelionTable
from cryofocus.maths.rotations import euler_from_rotation

CONFIDENCE_LABEL = "cryofocusPoseConfidence"
MARGIN_LABEL = "cryofocusPoseMargin"
ANGLE_ERROR_LABEL = "cryofocusPoseAngleError"
SHIFT_ERROR_LABEL = "cryofocusPoseShiftError"
GAIN_LABEL = "cryofocusPoseGain"


def pose_columns(
    table: ParticleTable,
    pixel_size_angstrom: Float[np.ndarray, " n"],
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
) -> dict[str, np.ndarray]:
    """Return angles and origins by label, ready to be written into a table.

    Args:
        table: Where they go; a RELION table whose origins are in pixels keeps them so.
        pixel_size_angstrom: Of each particle's image.
        rotation: Rotations of the poses.
        shift_angstrom: Their shifts.
    """
    labels = list(SHIFT_LABELS)
    if isinstance(table, RelionTable):
        labels = shift_labels(table.block.labels)
    unit = pixel_size_angstrom[:, None] if labels == list(SHIFT_PIXEL_LABELS) else 1.0
    angles = dict(zip(ANGLE_LABELS, euler_from_rotation(rotation).T, strict=True))
    return angles | dict(zip(labels, (shift_angstrom / unit).T, strict=True))
