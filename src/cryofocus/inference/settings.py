"""Every setting of a focused classification, with its limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cryofocus.consensus.reach import NYQUIST, TO_NYQUIST, MapResolution, Reach
from cryofocus.data.table_source import InvertChoice
from cryofocus.errors import SettingError
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.inference.strategy import (
    BackgroundChoice,
    MapPrior,
    Region,
    Start,
    Storage,
    Strategy,
)
from cryofocus.option import Option
from cryofocus.settings import Settings

REGION = "Region in focus"
AUTO: Literal["auto"] = "auto"
EXPECTED_COUNT = (
    "a number of classes, at least 2, or auto. One map of all particles is what cryofocus "
    "reconstruct makes"
)
# Numbers that `auto` tries at most.
MOST_CLASSES = 12
# Part of the tolerance that holds where cycles refine: they come to rest soon, and a rare class
# moves few posteriors while it still grows.
REFINING_TOLERANCE = 0.1
# Part of the tolerance that holds where whole maps grow out of random posteriors.
SLOW_TOLERANCE = 0.1
MASK2D, MASK3D = Option(panel="Strategy mask2d"), Option(panel="Strategy mask3d")


def _require_strategy(name: str) -> str:
    """Refuse a name that no strategy has, and say which there are."""
    if name not in STRATEGIES:
        *names, last = (repr(known) for known in STRATEGIES)
        raise ValueError(f"{', '.join(names)} or {last}")
    return name


def _list_strategies() -> str:
    """Say what each strategy does."""
    return " ".join(f"`{one.name}`: {one.summary}" for one in STRATEGIES.values())


def _list_starts() -> str:
    """Say where strategies start."""
    usual = STRATEGIES["residual"].start
    others = [one for one in STRATEGIES.values() if one.start != usual]
    starts = [f"`{usual}`", *(f"`{one.start}` with `{one.name}`" for one in others)]
    return f"Default: {', but '.join(starts)}."


StrategyName = Annotated[
    str,
    AfterValidator(_require_strategy),
    Option(choices=tuple(STRATEGIES), help=_list_strategies()),
]


def _require_count(value: object) -> object:
    """Refuse what is neither a number of classes nor `auto`."""
    if value == AUTO or (isinstance(value, int) and value >= 2):
        return value
    raise ValueError(EXPECTED_COUNT)


def _read_count(text: str) -> int | str:
    """Read a number of classes, or `auto`."""
    return text if text == AUTO else int(text)


ClassCount = Annotated[
    int | Literal["auto"],
    BeforeValidator(_require_count),
    Option(metavar="K|auto", read=_read_count, expected=EXPECTED_COUNT),
]


class ClassifierSettings(Settings):
    """Settings that change the result; the same object serves Python, YAML and command line.

    Attributes:
        n_classes: Number of classes, at least 2; `auto` tries 2, 3, 4, ... and takes the number
            with the largest log-posterior.
        strategy: How classes are focused.
        start: Where runs start: `subspace`, classes in the main deviations among the images;
            `random`, posteriors drawn at random. Maps given to start from replace the first start.
        n_runs: Independent runs, from different random starts, to compare.
        max_cycles: Bound on the cycles per run; a run ends once posteriors settle, long before
            as a rule.
        tolerance: A run has converged when posteriors move less than this, on average, per cycle.
        seed: Random seed.
        max_resolution_angstrom: Finest detail used to tell classes apart, in Å. Default: the
            resolution of the consensus (FSC 0.143 between its half maps).
        map_resolution: To which resolution maps are made, in Å; `nyquist` for all that images
            hold. Default: as far as the half maps of the consensus agree, and a margin that shows
            them fall to zero; with `mask2d` and boxes up to 100 pixels, all.
        soft_edge_angstrom: Width of the sphere's soft edge, outside its radius, in Å.
        invert: Whether protein is dark in the images; `auto` decides from the consensus.
        prior: With `mask3d`, what holds class maps back: `consensus` draws them towards the
            consensus; `none` masks them as they are reconstructed, as published, and keeps whole
            images.
        outside_lowpass_angstrom: With `mask3d`, keep the density outside the mask in the
            references, low-pass filtered to this resolution in Å.
        outside_weight: With `mask3d`, weight of the density outside the mask. Default: 1 with a
            low-pass filter there, otherwise 0.
        circle_edge_angstrom: With `mask2d` and a sphere, width of the circle's soft edge, outside
            its radius, in Å; 0 is cisTEM's hard edge.
        projection_threshold: With `mask2d` and a mask file, fraction of each projection's maximum
            above which a pixel counts; 0 weights pixels by the projection.
        fitted_scale: With `mask2d`, fit each class's scale inside the region and keep a running
            sigma, as Frealign does, instead of cisTEM's scale 1 and noise variance 1.
        storage: Number format of the statistics kept in memory: `bfloat16` halves the memory and
            rounds numbers to eight bits, far below their noise. Not with `mask2d`, which keeps
            whole images.
        background: What is taken out of the images outside the region: `rigid`, the consensus;
            `flexible`, besides it how each particle differs there, at low resolution. Better where
            the region cuts what moves; takes longer.
        keep_all_classes: Keep all classes that were asked for. Otherwise, where the images tell
            half of them apart or fewer, the others merge and runs go on with those that are left.
        control_maps: For each class map, also reconstruct one from the same number of particles
            drawn at random.
        asks_half_sets: Whether classes are also found in each half set alone, to judge by the
            other whether there are any; takes as long as one more run, or two of a small set.
    """

    n_classes: ClassCount
    strategy: StrategyName = "residual"
    start: Annotated[Start | None, Option(help=_list_starts())] = None
    n_runs: int = Field(default=3, ge=1)
    max_cycles: Annotated[int, Option("--cycles")] = Field(default=150, ge=1)
    tolerance: Annotated[float, Option(is_hidden=True)] = Field(default=1e-2, gt=0, lt=1)
    seed: int = Field(default=1, ge=0)
    max_resolution_angstrom: float | None = Field(default=None, gt=0)
    map_resolution: MapResolution = None
    soft_edge_angstrom: Annotated[float, Option(panel=REGION)] = Field(default=8.0, ge=0)
    invert: InvertChoice = "auto"
    prior: Annotated[MapPrior, MASK3D] = "consensus"
    outside_lowpass_angstrom: Annotated[float | None, MASK3D] = Field(default=None, gt=0)
    outside_weight: Annotated[float | None, MASK3D] = Field(default=None, ge=0, le=1)
    circle_edge_angstrom: Annotated[float, MASK2D] = Field(default=0.0, ge=0)
    projection_threshold: Annotated[float, MASK2D] = Field(default=0.1, ge=0, lt=1)
    fitted_scale: Annotated[bool, MASK2D] = False
    storage: Storage = "float32"
    background: BackgroundChoice = "rigid"
    keep_all_classes: bool = False
    control_maps: bool = False
    asks_half_sets: Annotated[bool, Option(is_hidden=True)] = True

    @model_validator(mode="after")
    def _refuse_options_of_others(self) -> ClassifierSettings:
        """Refuse an option that the chosen strategy would ignore."""
        users: dict[str, list[str]] = {}
        for strategy in STRATEGIES.values():
            for option in strategy.options:
                users.setdefault(option, []).append(strategy.name)
        for option, names in users.items():
            if option not in self.method.options:
                remedy = f"--strategy {names[0]}" if len(names) == 1 else "another --strategy"
                reason = f"the strategy is {self.strategy}"
                if self.strategy in names:
                    reason, remedy = f"the prior is {self.prior}", "--prior consensus"
                self._require_default(option, reason, remedy)
        if self.outside_lowpass_angstrom is not None and self.outside_weight == 0:
            raise SettingError(
                "outside_weight: found 0 with a low-pass filter outside the mask, which then has "
                "nothing to filter; expected a weight above 0. Leave one of the two out."
            )
        return self

    @model_validator(mode="after")
    def _count_only_what_compares(self) -> ClassifierSettings:
        """Refuse to look for the number of classes where numbers cannot be compared."""
        if self.n_classes == AUTO and self.method.objective != "log-posterior":
            raise SettingError(
                f"classes: found {AUTO}, but runs of the strategy {self.strategy} with different "
                "numbers of classes cannot be compared: it has no prior of maps. Give a number, "
                "or leave --strategy out."
            )
        return self

    @model_validator(mode="after")
    def _whole_pixels_where_compared(self) -> ClassifierSettings:
        """Refuse a resolution of maps where images are compared pixel by pixel."""
        is_limited = self.map_resolution not in (None, NYQUIST)
        if is_limited and self.method.compares_pixels:
            raise SettingError(
                f"map_resolution: found {self.map_resolution:g}, but the strategy {self.strategy} "
                "compares images pixel by pixel. Leave it out."
            )
        return self

    @property
    def method(self) -> Strategy:
        """The chosen strategy, with or without its prior of maps."""
        strategy = STRATEGIES[self.strategy]
        bare = strategy.without_prior
        return strategy if self.prior == "consensus" or bare is None else bare

    @property
    def reach(self) -> Reach:
        """To which resolution maps are made."""
        if self.method.compares_pixels:
            return TO_NYQUIST
        return Reach(self.map_resolution, self.max_resolution_angstrom)

    @property
    def least_classes(self) -> int:
        """The number of classes, or the least there can be where it is to be found."""
        return 2 if self.n_classes == AUTO else self.n_classes

    @property
    def most_classes(self) -> int:
        """The number of classes, or the most that are tried."""
        return MOST_CLASSES if self.n_classes == AUTO else self.n_classes

    @property
    def resolved_start(self) -> Start:
        """Where runs start."""
        return self.start or self.method.start

    @property
    def settled_change(self) -> float:
        """How far posteriors of a run that has settled move in a cycle, on average, at most.

        Whole maps grow out of random posteriors so slowly that they only seem to rest.
        """
        is_slow = self.resolved_start == "random" and self.method.compares_pixels
        return self.tolerance * (SLOW_TOLERANCE if is_slow else 1.0)

    @property
    def refining(self) -> ClassifierSettings:
        """The same for cycles that refine."""
        return self.model_copy(update={"tolerance": REFINING_TOLERANCE * self.tolerance})

    @property
    def options(self) -> dict[str, Any]:
        """The chosen strategy's own options."""
        return {name: getattr(self, name) for name in self.method.options}

    def require_region(self, region: Region) -> None:
        """Refuse an option that the kind of region would ignore.

        Raises:
            SettingError: For a circle's edge with a mask file or a projection threshold with a
                sphere.
        """
        for option, needed in self.method.options.items():
            if needed not in (None, region):
                remedy = "--focus" if needed == "sphere" else "--mask"
                self._require_default(option, f"the region is a {region}", remedy)

    def _require_default(self, option: str, reason: str, remedy: str) -> None:
        value = getattr(self, option)
        if value != type(self).model_fields[option].default:
            raise SettingError(
                f"{option}: found {value}, but {reason}, which does not use it. Leave it out, or "
                f"choose {remedy}."
            )
