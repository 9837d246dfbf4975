"""Whether bytes are signed, as their own values have it.

Headers are often wrong about it. Read the wrong way, values wrap: what lies on both sides of the
middle jumps from one end of the range to the other, between one pixel and the next.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int8

# Bytes that are looked at, in so many places of the file.
SAMPLE_BYTES, PLACES = 1 << 14, 8
# Masks and drawings have fewer values, and jump as well; a few bytes may do so by chance.
FEWEST_VALUES, FEWEST_BYTES = 32, 1 << 10
# By so much more do neighbours differ that are read the wrong way; of images whose noise is a
# quarter of the range as much as this, of most three to five times.
CLEARLY = 1.4


def is_other_sign(data: Int8[np.ndarray, " n"], *, is_signed: bool) -> bool:
    """Tell whether bytes surely have the other sign than is said.

    Args:
        data: All bytes of the file, in order; a few places are looked at.
        is_signed: What the header says.
    """
    if len(data) < FEWEST_BYTES:
        return False
    starts = np.unique(np.linspace(0, max(len(data) - SAMPLE_BYTES, 0), PLACES).astype(np.int64))
    blocks = [np.asarray(data[start : start + SAMPLE_BYTES]) for start in starts]
    values, counts = np.unique(np.concatenate(blocks), return_counts=True)
    if len(values) < FEWEST_VALUES:
        return False
    # Images may lie in a frame of one value, and at its border they jump however they are read.
    frame = values[np.argmax(counts)]
    as_signed, as_unsigned = (
        sum(_differences(block, frame, kind) for block in blocks) for kind in (np.int8, np.uint8)
    )
    said, other = (as_signed, as_unsigned) if is_signed else (as_unsigned, as_signed)
    return said > CLEARLY * other


def _differences(block: Int8[np.ndarray, " n"], frame: np.int8, kind: type[np.generic]) -> float:
    """Sum differences of neighbours outside the frame."""
    is_image = block != frame
    steps = np.abs(np.diff(block.view(kind).astype(np.int16)))
    return float(steps[is_image[1:] & is_image[:-1]].sum())
