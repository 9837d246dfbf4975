"""Projections of the average and of the focus sphere against those of whole maps."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.masks import sphere_mask
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import prepare
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.slices import SOFT_EDGE_ANGSTROM, FocusSlices
from cryofocus.simulate.assembly.states import mean_amplitudes, region_named
from cryofocus.simulate.model_states import StateProjector
from cryofocus.simulate.phantom import Sphere

REGION, ROWS = region_named("trna"), slice(1, 5)


@pytest.mark.parametrize(
    ("box", "pixel_size", "centre"),
    [
        (40, 9.0, REGION.sphere(prepare(AssemblySettings(particles=1)).ribosome).centre_angstrom),
        # Pixels finer than beads that are very wide, and a sphere whose edge the box cuts.
        (97, 5.5, (230.0, -30.0, 10.0)),
    ],
)
def test_slices_are_those_of_whole_maps(
    box: int, pixel_size: float, centre: tuple[float, float, float]
) -> None:
    """A coarse map of the average and a cube around the sphere lose nothing."""
    update = {"particles": 6, "seed": 3, "box": box, "pixel_size_angstrom": pixel_size}
    update["b_factor_square_angstrom"] = 300.0 if box == 40 else 15000.0
    densities, sphere = Densities(prepare(AssemblySettings(**update))), Sphere(centre, 35.0)
    slices, views = FocusSlices.of(densities, REGION, sphere), densities.imaging.specimens
    assert (slices.average.grid.box < box) == (box == 97)
    mask = sphere_mask(box, pixel_size, centre, 35.0, SOFT_EDGE_ANGSTROM)
    every, *classes = mean_amplitudes(REGION)
    alone = np.array([float(part == "trna") for part in PARTS])
    inside = [mask * densities.average(one) for one in (*(c - every for c in classes), alone)]
    whole = StateProjector.of(np.stack([densities.average(every), *inside]), pixel_size)
    expected = whole.project(views, ROWS)
    found = np.concatenate([slices.show(views, ROWS)[:, None], slices.differ(views, ROWS)], axis=1)
    for one, other in zip(np.moveaxis(found, 1, 0), np.moveaxis(expected, 1, 0), strict=True):
        # As close as reading between nodes is.
        assert np.abs(one - other).max() < 1e-4 * np.abs(other).max()
