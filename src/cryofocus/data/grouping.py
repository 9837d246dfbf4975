"""Rows that agree in every column become one group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped


def group_rows(
    columns: Sequence[Shaped[np.ndarray, " n"]],
) -> tuple[Int[np.ndarray, " groups"], Int[np.ndarray, " n"]]:
    """Group rows by their values.

    Args:
        columns: At least one.

    Returns:
        first_row: The first row of each group; groups are in the order in which they appear.
        group_of_row: Group of each row.
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
