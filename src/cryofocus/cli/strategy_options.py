"""Options of `classify` that choose how classes are focused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

SEARCH = "Classification"
MASK2D, MASK3D = "Strategy mask2d", "Strategy mask3d"


class Strategy(StrEnum):
    """How classes are focused."""

    RESIDUAL = "residual"
    MASK2D = "mask2d"
    MASK3D = "mask3d"
    SUBTRACT = "subtract"
    GLOBAL = "global"


class Start(StrEnum):
    """Where runs start."""

    SUBSPACE = "subspace"
    RANDOM = "random"


class Storage(StrEnum):
    """How the statistics are kept."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


StrategyChoice = Annotated[
    Strategy | None,
    typer.Option(
        help="How classes are focused. residual: the consensus explains everything outside "
        "the mask, classes compete for what is left inside. mask2d: whole class maps, "
        "compared inside the projected region only, as Frealign and cisTEM do. mask3d: whole "
        "images with masked references. subtract: residual, with each half set's own map "
        "outside the mask. global: no focus. Default residual.",
        rich_help_panel=SEARCH,
    ),
]
StartChoice = Annotated[
    Start | None,
    typer.Option(
        help="Where runs start: subspace, classes in the main deviations among the images; "
        "random, posteriors drawn at random. Default subspace, but random with mask2d.",
        rich_help_panel=SEARCH,
    ),
]
OutsideLowpass = Annotated[
    float | None,
    typer.Option(
        metavar="A",
        help="mask3d: keep the density outside the mask in the references, low-pass filtered "
        "to so many Å.",
        rich_help_panel=MASK3D,
    ),
]
OutsideWeight = Annotated[
    float | None,
    typer.Option(
        help="mask3d: weight of the density outside the mask, 0 to 1. Default 1 with "
        "--outside-lowpass, otherwise 0.",
        rich_help_panel=MASK3D,
    ),
]
CircleEdge = Annotated[
    float | None,
    typer.Option(
        help="mask2d with --focus: width of the circle's soft edge, outside R, in Å. "
        "Default 0: hard.",
        rich_help_panel=MASK2D,
    ),
]
ProjectionThreshold = Annotated[
    float | None,
    typer.Option(
        help="mask2d with --mask: part of each projection's largest value from which on a "
        "pixel counts; 0 weighs pixels by the projection. Default 0.1.",
        rich_help_panel=MASK2D,
    ),
]
FittedScale = Annotated[
    bool,
    typer.Option(
        "--fitted-scale",
        help="mask2d: fit each class's scale inside the region, as Frealign does.",
        rich_help_panel=MASK2D,
    ),
]
StorageChoice = Annotated[
    Storage | None,
    typer.Option(
        help="How what is kept of the images is stored: bfloat16 takes half the memory and rounds "
        "numbers far below their noise. Default float32.",
        rich_help_panel=SEARCH,
    ),
]
