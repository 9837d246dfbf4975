"""Named array types: what an array is called, its element type and its shape.

Dimension names bind within one call, so two arguments that both say ``n`` must agree. ``half``
is ``box // 2 + 1``, the last axis of a half transform (rfft layout: origin at the array corner,
real-space centre at ``box // 2``). The test run executes these types; for a user they cost
nothing.

Examples
--------
>>> def centre_density(volume: Volume) -> float:
...     centre = volume.shape[0] // 2
...     return float(volume[centre, centre, centre])
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int, Shaped

Volume = Float32[np.ndarray, "box box box"]
"""Density in axis order (z, y, x); the box centre is voxel ``box // 2``."""

Images = Float32[np.ndarray, "n box box"]
"""A stack of particle images in axis order (particle, y, x)."""

HalfVolume = Complex64[np.ndarray, "box box half"]
"""Half transform of a volume; forward transforms are unnormalised."""

HalfImages = Complex64[np.ndarray, "n box half"]
"""Half transforms of a stack of images."""

RealHalfImages = Float32[np.ndarray, "n box half"]
"""One real number a Fourier coefficient and image, such as a CTF or an inverse variance."""

Rotations = Float64[np.ndarray, "n 3 3"]
"""Pose matrices A: the volume point a (x, y, z) lands at ``(A a)[:2]`` in the image."""

Shifts = Float64[np.ndarray, "n 2"]
"""Shifts (x, y) in Å that, added to the image, centre the particle (``rlnOriginX/YAngst``)."""

ClassPosteriors = Float[np.ndarray, "n n_classes"]
"""Probability of each class for each particle; rows sum to one."""

ShellCurve = Float[np.ndarray, " n_shells"]
"""One number a Fourier shell; shell s lies at ``s / (box * pixel size)`` per Å."""

Indices = Int[np.ndarray, " m"]
"""Positions of particles in a set, counted from zero."""

Column = Shaped[np.ndarray, " n"]
"""One value a particle, of any element type."""
