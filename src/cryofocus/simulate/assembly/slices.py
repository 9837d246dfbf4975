"""What the focused oracles compare images with: projections of the average and of the sphere.

Of the average no more is kept than its beads resolve, of what differs a cube around the sphere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float

from cryofocus.kernels.window import WindowedMaps
from cryofocus.maths.bands import Window
from cryofocus.maths.fourier import next_fast_len
from cryofocus.maths.masks import sphere_mask
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.states import Region, mean_amplitudes
from cryofocus.simulate.image_formation import Camera, Views
from cryofocus.simulate.model_states import PlacedMaps
from cryofocus.simulate.phantom import Sphere

# Of the focus sphere, as `classify` draws it.
SOFT_EDGE_ANGSTROM = 8.0


@dataclass(frozen=True, eq=False)
class FocusSlices:
    """Projects the average of all, and what differs from it inside the focus sphere.

    Attributes:
        camera: Of the images.
        average: Map of the average, as coarse as it can be.
        inside: Maps of a cube around the sphere: how states without and with the region deviate
            from the average, and the region.
    """

    camera: Camera
    average: PlacedMaps
    inside: PlacedMaps

    @classmethod
    def of(cls, densities: Densities, region: Region, sphere: Sphere) -> FocusSlices:
        """Bring maps into place to be projected."""
        camera, box = densities.imaging.camera, densities.average_box()
        every, *classes = mean_amplitudes(region)
        alone = np.array([float(part in region.parts) for part in PARTS])
        average = WindowedMaps.of(densities.average(every, box)[None])
        cube = Cube.around(sphere, camera)
        differing = (*(c - every for c in classes), alone)
        inside = [densities.average(part, within=cube.window) for part in differing]
        mask = cube.mask(sphere)
        return cls(
            camera,
            PlacedMaps(average, camera.box * camera.pixel_size_angstrom / box),
            PlacedMaps(
                WindowedMaps.of(np.stack([mask * one for one in inside])),
                camera.pixel_size_angstrom,
                cube.centre_angstrom,
            ),
        )

    def show(self, views: Views, rows: slice) -> Complex64[np.ndarray, "n box half"]:
        """Project the average of all."""
        return self.average.project(views, rows, *self._sampling)[:, 0]

    def differ(self, views: Views, rows: slice) -> Complex64[np.ndarray, "n 3 box half"]:
        """Project what differs from it."""
        return self.inside.project(views, rows, *self._sampling)

    @property
    def _sampling(self) -> tuple[int, float]:
        return self.camera.box, self.camera.pixel_size_angstrom


@dataclass(frozen=True)
class Cube:
    """A cube of voxels of a map that holds a sphere and its edge.

    Attributes:
        start: First plane, row and column.
        edge: Voxels.
        camera: Sampling of the map.
    """

    start: tuple[int, int, int]
    edge: int
    camera: Camera

    @classmethod
    def around(cls, sphere: Sphere, camera: Camera) -> Cube:
        """Return the smallest cube, at most the whole map."""
        box, pixel_size = camera.box, camera.pixel_size_angstrom
        reach = math.ceil((sphere.radius_angstrom + SOFT_EDGE_ANGSTROM) / pixel_size) + 1
        edge = min(next_fast_len(2 * reach + 1), box)
        middle = [box // 2 + round(place / pixel_size) for place in sphere.centre_angstrom[::-1]]
        z, y, x = (min(max(place - edge // 2, 0), box - edge) for place in middle)
        return cls((z, y, x), edge, camera)

    @property
    def centre_angstrom(self) -> tuple[float, float, float]:
        """x, y, z of the centre from that of the map."""
        from_middle = self.edge // 2 - self.camera.box // 2
        z, y, x = ((one + from_middle) * self.camera.pixel_size_angstrom for one in self.start)
        return x, y, z

    @property
    def window(self) -> Window:
        """Its planes, rows and columns."""
        z, y, x = (slice(one, one + self.edge) for one in self.start)
        return z, y, x

    def mask(self, sphere: Sphere) -> Float[np.ndarray, "edge edge edge"]:
        """Draw the sphere, with its edge, in the cube."""
        pairs = zip(sphere.centre_angstrom, self.centre_angstrom, strict=True)
        x, y, z = (place - centre for place, centre in pairs)
        size = sphere.radius_angstrom, SOFT_EDGE_ANGSTROM
        return sphere_mask(self.edge, self.camera.pixel_size_angstrom, (x, y, z), *size)
