"""Every setting of a focused classification, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryofocus.errors import SettingError

Storage = Literal["float32", "bfloat16"]
StrategyName = Literal["residual", "mask2d", "mask3d", "subtract", "global"]
# Options that mean something with one strategy only.
OPTIONS_OF = {
    "mask2d": ("circle_edge_angstrom", "projection_threshold", "fitted_scale"),
    "mask3d": ("outside_lowpass_angstrom", "outside_weight"),
}


class ClassifierSettings(BaseModel):
    """Settings that change the result; the same object serves Python, YAML and command line.

    Attributes:
        n_classes: Classes to find.
        strategy: How classes are focused; `residual` compares residuals from the consensus
            (docs/derivations/small-box-statistics.md), `subtract` the same after each half set's
            own map was subtracted outside the mask, `mask3d` whole images with masked references,
            `mask2d` images with whole maps inside the projected region
            (docs/derivations/mask2d.md), `global` has no focus.
        start: Where runs start: `subspace`, or `random` posteriors; `mask2d` starts at random and
            all others in a subspace unless told. Maps given to start from replace the first start.
        n_runs: Independent runs from different random starts.
        max_cycles: Bound on the cycles of a run after its prior is learnt.
        tolerance: A run has converged when posteriors move less than this, on average, per cycle.
        seed: Of everything random.
        max_resolution_angstrom: Finest resolution that enters classification; None takes the
            resolution to which the consensus's half maps agree (FSC 0.143).
        soft_edge_angstrom: Width of a focus sphere's soft edge.
        invert: Whether protein is dark in the images; "auto" looks at the consensus.
        outside_lowpass_angstrom: `mask3d`: low-pass filter of the reference outside the mask.
        outside_weight: `mask3d`: weight of the reference outside the mask; None stands for 1 with
            a low-pass filter and for 0 without.
        circle_edge_angstrom: `mask2d` with a focus sphere: width of the circle's soft edge; 0 is
            cisTEM's hard edge.
        projection_threshold: `mask2d` with a mask file: fraction of each projection's largest
            value from which on a pixel counts; 0 weighs pixels by the projection itself.
        fitted_scale: `mask2d`: fit each class's scale inside the region and keep a running sigma,
            as Frealign does, instead of cisTEM's scale 1 and noise variance 1.
        storage: How the statistics are kept; `bfloat16` halves their bytes and rounds each number
            to eight bits, far below its noise (not with `mask2d`, which keeps whole images).
        control_maps: Also reconstruct, for each class, equally many particles drawn at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_classes: int = Field(ge=2)
    strategy: StrategyName = "residual"
    start: Literal["subspace", "random"] | None = None
    n_runs: int = Field(default=3, ge=1)
    max_cycles: int = Field(default=30, ge=1)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    seed: int = Field(default=1, ge=0)
    max_resolution_angstrom: float | None = Field(default=None, gt=0)
    soft_edge_angstrom: float = Field(default=8.0, ge=0)
    invert: Literal["auto", "yes", "no"] = "auto"
    outside_lowpass_angstrom: float | None = Field(default=None, gt=0)
    outside_weight: float | None = Field(default=None, ge=0, le=1)
    circle_edge_angstrom: float = Field(default=0.0, ge=0)
    projection_threshold: float = Field(default=0.1, ge=0, lt=1)
    fitted_scale: bool = False
    storage: Storage = "float32"
    control_maps: bool = False

    @model_validator(mode="after")
    def _refuse_options_of_others(self) -> ClassifierSettings:
        """Refuse an option that the chosen strategy would ignore."""
        for strategy, options in OPTIONS_OF.items():
            if self.strategy != strategy:
                for option in options:
                    self._require_default(
                        option, f"the strategy is {self.strategy}", f"--strategy {strategy}"
                    )
        if self.strategy == "mask2d":
            self._require_default("storage", "the strategy is mask2d", "another --strategy")
        if self.outside_lowpass_angstrom is not None and self.outside_weight == 0:
            raise SettingError(
                "outside_weight: found 0 with a low-pass filter outside the mask, which then has "
                "nothing to filter; expected a weight above 0. Leave one of the two out."
            )
        return self

    @property
    def resolved_start(self) -> Literal["subspace", "random"]:
        """Where runs start."""
        return self.start or ("random" if self.strategy == "mask2d" else "subspace")

    @property
    def resolved_outside_weight(self) -> float:
        """Weight of the reference outside the mask."""
        if self.outside_weight is not None:
            return self.outside_weight
        return 0.0 if self.outside_lowpass_angstrom is None else 1.0

    def require_region(self, region: Literal["sphere", "mask file"]) -> None:
        """Refuse an option that the kind of region would ignore.

        Raises:
            SettingError: For a circle's edge with a mask file or a projection threshold with a
                sphere.
        """
        if region == "sphere":
            self._require_default("projection_threshold", "the region is a sphere", "--mask")
        else:
            self._require_default("circle_edge_angstrom", "the region is a mask file", "--focus")

    def _require_default(self, option: str, reason: str, remedy: str) -> None:
        value = getattr(self, option)
        if value != type(self).model_fields[option].default:
            raise SettingError(
                f"{option}: found {value}, but {reason}, which does not use it. Leave it out, or "
                f"choose {remedy}."
            )
