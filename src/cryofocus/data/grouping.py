"""Rows that agree in every column become one group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped


def group_rows(
    columns: Sequence[Shaped[np.ndarray, " n"]],
) -> tuple[Int[np.ndarray, " groups"], Int[np.ndarray, " n"]]:
    """Group rows by their values.

    Parameters
    ----------
    columns : sequence of arrays (n,)
        At least one.

    Returns
    -------
    first_row : int64 array (groups,)
        The first row of each group; groups are in the order in which they appear.
    group_of_row : int32 array (n,)
    """
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if len(column) and (column == column[0]).all():
            continue
        values, code = np.unique(column, return_inverse=True)
        codes = np.unique(codes * len(values) + code, return_inverse=True)[1]
    _, first_row, group = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first_row)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first_row[order], rank[group].astype(np.int32)
