"""The state of all runs as plain arrays and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cryofocus.arrays import AnyArray
from cryofocus.inference.strategy import State, Strategy


def pack_runs(strategy: Strategy[State], states: Sequence[State]) -> dict[str, AnyArray]:
    """Name every array of every run; nothing is rounded."""
    arrays: dict[str, AnyArray] = {"n_runs": np.array(len(states))}
    for run, state in enumerate(states):
        for name, array in strategy.pack(state).items():
            arrays[f"run{run}_{name}"] = array
    return arrays


def unpack_runs(strategy: Strategy[State], arrays: Mapping[str, AnyArray]) -> list[State]:
    """Return the states that `pack_runs` packed."""
    states = []
    for run in range(int(arrays["n_runs"])):
        prefix = f"run{run}_"
        mine = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        states.append(strategy.unpack(mine))
    return states
