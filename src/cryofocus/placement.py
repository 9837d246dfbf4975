"""Arrays wherever they lie: NumPy's in the host's memory, or another library's in a device's.

Code for both is written in the operations of the array API standard (https://data-apis.org): it
takes `namespace(array)` instead of NumPy, brings host arrays `beside` those it works with, and
`fetch`es what the host needs. For NumPy's arrays nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace as namespace
from array_api_compat import device as device
from array_api_compat import is_cupy_array

__all__ = [
    "Array",
    "Send",
    "beside",
    "device",
    "fetch",
    "is_on_host",
    "join_rows",
    "namespace",
    "stay",
]

Array = Any
"""An array of any library; its shape and element type are stated beside it and checked."""

Send = Callable[[np.ndarray], Array]
"""Brings an array of the host to where a device, or the host, works with it."""


def is_on_host(array: Array) -> bool:
    """Return whether an array is NumPy's."""
    return isinstance(array, np.ndarray)


def beside(array: Array, other: Array) -> Array:
    """Return an array where another one lies, itself if it lies there already."""
    if not is_on_host(array) or is_on_host(other):
        return array
    return namespace(other).asarray(array, device=device(other))


def fetch(array: Array) -> np.ndarray:
    """Return an array on the host, itself if it lies there already."""
    if isinstance(array, np.ndarray):
        return array
    if is_cupy_array(array):
        return np.asarray(array.get())
    return np.from_dlpack(array, device="cpu")


def stay(array: np.ndarray) -> np.ndarray:
    """Leave an array on the host: what a device of its own would take elsewhere."""
    return array


def join_rows(parts: Sequence[Array], rows: np.ndarray) -> Array:
    """Return the array whose row `rows[j]` is the j-th row of all parts, one after the other."""
    if len(parts) == 1 and (rows[:-1] < rows[1:]).all():
        return parts[0]
    xp = namespace(parts[0])
    return xp.take(xp.concat(parts), beside(np.argsort(rows), parts[0]), axis=0)
