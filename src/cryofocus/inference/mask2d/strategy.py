"""The strategy `mask2d`: whole maps, compared with images inside the projected region only.

The focused classification of Frealign and cisTEM (docs/derivations/mask2d.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Strategy

if TYPE_CHECKING:
    from cryofocus.consensus.ground import Ground
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.mask2d.comparison import Mask2dComparison


def prepare(
    ground: Ground,
    plan: RunPlan,
    *,
    circle_edge_angstrom: float,
    projection_threshold: float,
    fitted_scale: bool,
) -> Mask2dComparison:
    """Whiten every image once and project the region along every view."""
    from cryofocus.inference.mask2d.comparison import compare_whole_maps, project_region, whiten

    images = whiten(ground)
    region = project_region(ground, circle_edge_angstrom, projection_threshold)
    return compare_whole_maps(ground, plan, images, region, fitted_scale=fitted_scale)


MASK2D = Strategy(
    name="mask2d",
    summary="whole class maps, compared inside the projected region only, as Frealign and cisTEM "
    "do.",
    prepare=prepare,
    options={
        "circle_edge_angstrom": "sphere",
        "projection_threshold": "mask file",
        "fitted_scale": None,
    },
    start="random",
    compares_whole_maps=True,
    compares_pixels=True,
    can_be_sharded=False,
    objective="log-likelihood",
)
