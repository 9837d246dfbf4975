"""Every setting of a focused classification, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ClassifierSettings(BaseModel):
    """Settings that change the result; the same object serves Python, YAML and command line.

    Attributes
    ----------
    n_classes : classes to find.
    strategy : how classes are focused; `residual` compares residuals from the consensus
        (docs/derivations/small-box-statistics.md).
    n_runs : independent runs from different random starts.
    max_cycles : bound on the cycles of a run after its prior is learnt.
    tolerance : a run has converged when posteriors move less than this, on average, per cycle.
    seed : of everything random.
    max_resolution_angstrom : finest resolution that enters classification; None takes the
        resolution to which the consensus's half maps agree (FSC 0.143).
    soft_edge_angstrom : width of a focus sphere's soft edge.
    invert : whether protein is dark in the images; "auto" looks at the consensus.
    control_maps : also reconstruct, for each class, equally many particles drawn at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_classes: int = Field(ge=2)
    strategy: Literal["residual"] = "residual"
    n_runs: int = Field(default=3, ge=1)
    max_cycles: int = Field(default=30, ge=1)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    seed: int = Field(default=1, ge=0)
    max_resolution_angstrom: float | None = Field(default=None, gt=0)
    soft_edge_angstrom: float = Field(default=8.0, ge=0)
    invert: Literal["auto", "yes", "no"] = "auto"
    control_maps: bool = False
