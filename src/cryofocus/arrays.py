"""Array types that recur under one name; all others state their shape where they are used.

A shape names its dimensions, and a name binds within one call: two arguments that both say ``n``
must agree. ``half`` is ``box // 2 + 1``, the last axis of a half transform. A single dimension is
written with a leading space. The test run executes these types; for a user they cost nothing.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Shaped

from cryofocus.placement import Array

Volume = Float32[np.ndarray, "box box box"]
"""Density in axis order (z, y, x); the box centre is voxel ``box // 2``."""

AnyArray = Shaped[Array, "..."]
"""An array of any shape and element type, anywhere, for code that only stores or passes on."""
