"""The state of all runs as plain arrays and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cryofocus.arrays import AnyArray
from cryofocus.inference.em import CycleRecord, EmState
from cryofocus.inference.prior import SpectrumModel


def pack_runs(states: Sequence[EmState]) -> dict[str, AnyArray]:
    """Name every array of every run; nothing is rounded."""
    arrays: dict[str, AnyArray] = {"n_runs": np.array(len(states))}
    for run, state in enumerate(states):
        for name, array in _pack(state).items():
            arrays[f"run{run}_{name}"] = array
    return arrays


def unpack_runs(arrays: Mapping[str, AnyArray]) -> list[EmState]:
    """Return the states that `pack_runs` packed."""
    states = []
    for run in range(int(arrays["n_runs"])):
        prefix = f"run{run}_"
        states.append(
            _unpack({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
        )
    return states


def _pack(state: EmState) -> dict[str, AnyArray]:
    arrays = {
        "posteriors": state.posteriors,
        "spectrum_base": state.spectrum.base,
        "spectrum": np.array([state.spectrum.amplitude, state.spectrum.slope]),
        "support": state.support,
        "mixing": state.mixing,
        "log_evidence": state.log_evidence,
        "n_prior_cycles": np.array(state.n_prior_cycles),
        "history": np.array(
            [(r.log_posterior, r.posterior_change, *r.class_weights) for r in state.history]
        ),
    }
    if state.coefficients is not None:
        arrays["coefficients"] = state.coefficients
    return arrays


def _unpack(arrays: Mapping[str, AnyArray]) -> EmState:
    amplitude, slope = arrays["spectrum"].tolist()
    return EmState(
        posteriors=arrays["posteriors"],
        coefficients=arrays.get("coefficients"),
        spectrum=SpectrumModel(arrays["spectrum_base"], amplitude, slope),
        support=arrays["support"],
        mixing=arrays["mixing"],
        log_evidence=arrays["log_evidence"],
        n_prior_cycles=int(arrays["n_prior_cycles"]),
        history=tuple(
            CycleRecord(row[0], row[1], tuple(row[2:])) for row in arrays["history"].tolist()
        ),
    )
