"""Numba's compiler, also where what it makes cannot be kept for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb


def njit(*, cache: bool, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile as `numba.njit`; without a folder that may be written to, in every process anew.

    Args:
        cache: Whether to keep what was compiled, beside the source or in the user's cache folder.
        **options: As `numba.njit`.
    """

    def compile_(function: Callable[..., Any]) -> Any:
        try:
            return nb.njit(cache=cache, **options)(function)
        except RuntimeError:
            # Neither may be written to: a package of the whole machine, and no home folder.
            return nb.njit(cache=False, **options)(function)

    return compile_
