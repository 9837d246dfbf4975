"""A strategy as one record: everything the rest of the program knows of a way to focus classes.

Records are light, so that the command line can list them; what runs is imported by `prepare`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Region = Literal["sphere", "mask file"]
Start = Literal["subspace", "random"]
Storage = Literal["float32", "bfloat16"]
BackgroundChoice = Literal["rigid", "flexible"]
MapPrior = Literal["consensus", "none"]
Objective = Literal["log-posterior", "log-likelihood"]


@dataclass(frozen=True)
class Strategy:
    """One way to focus classes.

    Attributes:
        name: By which users choose it.
        summary: What it does, for the help of the command line; one or two sentences.
        prepare: Called with `Ground`, `RunPlan` and its options as keywords, returns a
            `Comparison`.
        options: Names of the settings that mean something to it and not to every strategy, each
            with the kind of region it needs, or None where any does.
        start: Where runs start unless told.
        needs_region: Whether it looks into a region; one that does not refuses to be given any.
        needs_outside: Whether there must be density outside the region.
        compares_whole_maps: Whether classes are told apart by whole maps, not by what lies inside
            the region alone.
        compares_pixels: Whether images are compared pixel by pixel, as they are in the files.
        can_be_sharded: Whether workers of a cluster can share the particles.
        objective: What a cycle raises: the log-likelihood of the images, or with the priors of
            maps and weights their log-posterior.
        without_prior: The same without a prior of maps, where the setting `prior` chooses; None
            where there is no choice.
    """

    name: str
    summary: str
    prepare: Callable[..., Any]
    options: Mapping[str, Region | None] = field(default_factory=dict)
    start: Start = "subspace"
    needs_region: bool = True
    needs_outside: bool = False
    compares_whole_maps: bool = False
    compares_pixels: bool = False
    can_be_sharded: bool = True
    objective: Objective = "log-posterior"
    without_prior: Strategy | None = None
