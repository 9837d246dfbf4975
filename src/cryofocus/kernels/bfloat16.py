"""Numbers in half the bytes: the upper 16 bits of a float32, known as bfloat16.

The exponent keeps its range and eight bits of precision are left: a relative error of at most
2^-8, at random, which is far below the noise of what is stored so. Arrays are uint16, complex
numbers a last axis of (real, imaginary).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex64, Float32, UInt16

_LOWER_BITS = 16


def encode(
    values: Float32[np.ndarray, "*shape"] | Complex64[np.ndarray, "*shape"],
) -> UInt16[np.ndarray, "*stored"]:
    """Round to the nearest bfloat16, to the even one of two equally near."""
    if values.dtype == np.complex64:
        values = np.ascontiguousarray(values).view(np.float32).reshape(*values.shape, 2)
    bits = values.view(np.uint32)
    is_odd = (bits >> np.uint32(_LOWER_BITS)) & np.uint32(1)
    rounded = bits + (np.uint32((1 << (_LOWER_BITS - 1)) - 1) + is_odd)
    return np.asarray(rounded >> np.uint32(_LOWER_BITS), np.uint16)


def decode(stored: UInt16[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return the float32 numbers that were stored."""
    return (stored.astype(np.uint32) << np.uint32(_LOWER_BITS)).view(np.float32)


def decode_complex(stored: UInt16[np.ndarray, "*shape 2"]) -> Complex64[np.ndarray, "*shape"]:
    """Return the complex numbers that were stored."""
    return decode(np.ascontiguousarray(stored)).view(np.complex64)[..., 0]
