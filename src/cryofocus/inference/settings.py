"""Every setting of a focused classification, with its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cryofocus.data.table_source import IMAGES
from cryofocus.errors import SettingError
from cryofocus.option import Option
from cryofocus.settings import Settings

Storage = Literal["float32", "bfloat16"]
StrategyName = Literal["residual", "mask2d", "mask3d", "subtract", "global"]
REGION = "Region in focus"
MASK2D, MASK3D = Option(panel="Strategy mask2d"), Option(panel="Strategy mask3d")
# Options that mean something with one strategy only.
OPTIONS_OF = {
    "mask2d": ("circle_edge_angstrom", "projection_threshold", "fitted_scale"),
    "mask3d": ("outside_lowpass_angstrom", "outside_weight"),
}


class ClassifierSettings(Settings):
    """Settings that change the result; the same object serves Python, YAML and command line.

    Attributes:
        n_classes: Number of classes.
        strategy: How classes are focused. `residual`: the consensus explains everything outside
            the mask, classes compete for what is left inside. `mask2d`: whole class maps,
            compared inside the projected region only, as Frealign and cisTEM do. `mask3d`: whole
            images with masked references. `subtract`: `residual`, with each half set's own map
            outside the mask. `global`: no focus.
        start: Where runs start: `subspace`, classes in the main deviations among the images;
            `random`, posteriors drawn at random. Default: `subspace`, but `random` with `mask2d`.
            Maps given to start from replace the first start.
        n_runs: Independent runs, from different random starts, to compare.
        max_cycles: Most cycles of a run; it ends earlier once posteriors have settled.
        tolerance: A run has converged when posteriors move less than this, on average, per cycle.
        seed: Seed of everything random.
        max_resolution_angstrom: Finest detail that tells classes apart, in Å. Default: where the
            half maps of the consensus cease to agree (FSC 0.143).
        soft_edge_angstrom: Width of the sphere's soft edge, outside its radius, in Å.
        invert: Whether protein is dark in the images; `auto` finds out from the consensus.
        outside_lowpass_angstrom: With `mask3d`, keep the density outside the mask in the
            references, low-pass filtered to this resolution in Å.
        outside_weight: With `mask3d`, weight of the density outside the mask. Default: 1 with a
            low-pass filter there, otherwise 0.
        circle_edge_angstrom: With `mask2d` and a sphere, width of the circle's soft edge, outside
            its radius, in Å; 0 is cisTEM's hard edge.
        projection_threshold: With `mask2d` and a mask file, fraction of each projection's largest
            value from which on a pixel counts; 0 weighs pixels by the projection.
        fitted_scale: With `mask2d`, fit each class's scale inside the region and keep a running
            sigma, as Frealign does, instead of cisTEM's scale 1 and noise variance 1.
        storage: How what is kept of the images is stored: `bfloat16` takes half the memory and
            rounds numbers to eight bits, far below their noise. Not with `mask2d`, which keeps
            whole images.
        control_maps: Beside each class map, reconstruct one from equally many particles drawn at
            random.
    """

    n_classes: int = Field(ge=2)
    strategy: StrategyName = "residual"
    start: Literal["subspace", "random"] | None = None
    n_runs: int = Field(default=3, ge=1)
    max_cycles: Annotated[int, Option("--cycles")] = Field(default=30, ge=1)
    tolerance: Annotated[float, Option(is_hidden=True)] = Field(default=1e-3, gt=0, lt=1)
    seed: int = Field(default=1, ge=0)
    max_resolution_angstrom: float | None = Field(default=None, gt=0)
    soft_edge_angstrom: Annotated[float, Option(panel=REGION)] = Field(default=8.0, ge=0)
    invert: Annotated[Literal["auto", "yes", "no"], Option(panel=IMAGES)] = "auto"
    outside_lowpass_angstrom: Annotated[float | None, MASK3D] = Field(default=None, gt=0)
    outside_weight: Annotated[float | None, MASK3D] = Field(default=None, ge=0, le=1)
    circle_edge_angstrom: Annotated[float, MASK2D] = Field(default=0.0, ge=0)
    projection_threshold: Annotated[float, MASK2D] = Field(default=0.1, ge=0, lt=1)
    fitted_scale: Annotated[bool, MASK2D] = False
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
