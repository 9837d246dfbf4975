"""The words in which columns are named throughout: RELION's labels, and cryofocus's own.

A table is told what to write in these words, whatever its format, and says them in its own.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofocus.maths.rotations import euler_from_rotation

IMAGE_LABEL = "rlnImageName"
PIXEL_SIZE_LABEL = "rlnImagePixelSize"
MICROGRAPH_LABEL = "rlnMicrographName"
# 1 or 2; 0 where there is none.
HALF_SET_LABEL = "rlnRandomSubset"
# rot, tilt and psi in degrees, and x, y of the shift in Å that centres the particle.
ANGLE_LABELS = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
SHIFT_LABELS = ("rlnOriginXAngst", "rlnOriginYAngst")
# What to do about a table that lacks them.
FIND_POSES = (
    "Refine the particles first, or find their poses against a map with 'cryofocus align search'"
)
# Å, Å and degrees.
DEFOCUS_LABELS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
PHASE_SHIFT_LABEL = "rlnPhaseShift"
# Number of the class, from 1, the posteriors of all classes, and the highest of them.
CLASS_LABEL, POSTERIOR_LABEL = "rlnClassNumber", "cryofocusClassPosterior"
MAX_POSTERIOR_LABEL = "rlnMaxValueProbDistribution"
LOG_LIKELIHOOD_LABEL = "rlnLogLikeliContribution"
# How far an image is from showing the consensus as the others do, in standard deviations.
OUTLIER_LABEL = "cryofocusOutlier"
# Row of the parent in the table that was expanded, and number of the operator, both from 1.
EXPANSION_LABELS = ("cryofocusParent", "cryofocusOperator")
# How sure a pose is: probabilities, root-mean-square errors in degrees and Å, and the gain in
# log-likelihood over an image of nothing but noise.
CONFIDENCE_LABEL, MARGIN_LABEL = "cryofocusPoseConfidence", "cryofocusPoseMargin"
ANGLE_ERROR_LABEL, SHIFT_ERROR_LABEL = "cryofocusPoseAngleError", "cryofocusPoseShiftError"
GAIN_LABEL = "cryofocusPoseGain"
# Class numbers of all copies of a particle.
OPERATOR_CLASSES_LABEL = "cryofocusOperatorClasses"


def pose_columns(
    rotation: Float[np.ndarray, "n 3 3"], shift_angstrom: Float[np.ndarray, "n 2"] | None
) -> dict[str, Float[np.ndarray, " n"]]:
    """Give angles and, unless they stay as they are, shifts by label, ready to be written."""
    columns = dict(zip(ANGLE_LABELS, euler_from_rotation(rotation).T, strict=True))
    if shift_angstrom is not None:
        columns |= zip(SHIFT_LABELS, shift_angstrom.T, strict=True)
    return columns
