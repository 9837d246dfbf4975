"""Sub-particles: where a point of the particle lies in each image, and how to cut it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from cryofocus.consensus.images import projection_matrices
from cryofocus.data.particles import ParticleSet

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class SubParticles:
    """How each particle's pose and defocus change when its image is cut around a point.

    Attributes:
        offset_pixels: `(n, 2)` x, y of the pixel that becomes the centre, from the image's centre.
        shift_angstrom: `(n, 2)` x, y of the shift that centres the point in the cut image.
        defocus_change_angstrom: `(n,)` to be added to the particle's defocus.
    """

    offset_pixels: Int64[np.ndarray, "n 2"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    defocus_change_angstrom: Float64[np.ndarray, " n"]

    def reach_pixels(self, edge: int, box: int) -> Int64[np.ndarray, " n"]:
        """Return how far each cut image of `edge` pixels reaches out of its image of `box`."""
        low = box // 2 + self.offset_pixels - edge // 2
        return np.asarray(np.maximum(-low, low + edge - box).max(axis=1).clip(min=0))


def centre_of_mass_angstrom(
    mask: Float32[np.ndarray, "box box box"], voxel_size_angstrom: float
) -> Point:
    """Return x, y, z of the voxel nearest to a mask's centre of mass, in Å from the box centre.

    A whole number of voxels, so that a map of the sub-particles lies on the voxels of the whole.
    """
    box, total = mask.shape[0], float(mask.sum(dtype=np.float64))
    axis = np.arange(box) - box // 2
    x, y, z = (
        round(float(mask.sum(axis=others, dtype=np.float64) @ axis) / total) * voxel_size_angstrom
        for others in ((0, 1), (0, 2), (1, 2))
    )
    return x, y, z


def locate_subparticles(particles: ParticleSet, centre_angstrom: Point) -> SubParticles:
    """Find a point of the particle in each image.

    The point c is seen at `M^T (A c)[:2]` from the particle's centre, which lies at minus the
    shift; M is the magnification matrix. The cut is made at a whole pixel, so that nothing is
    interpolated, and the rest goes into the shift. A point that lies `(A c)[2]` along the view
    has that much more defocus: the sign is that of ISECC (Goetschius et al. 2021), whose
    sub-particles the tests reproduce; it holds for a map of the right hand.

    Args:
        particles: n particles.
        centre_angstrom: x, y, z of the point in Å from the box centre of the map.
    """
    centre = np.asarray(centre_angstrom, np.float64)
    matrices = projection_matrices(particles, np.arange(len(particles)))
    seen = matrices @ centre - particles.shift_angstrom
    offset = np.rint(seen / particles.pixel_size_angstrom).astype(np.int64)
    shift = offset * particles.pixel_size_angstrom - seen
    premultiplied = np.array([group.ctf_premultiplied for group in particles.optics])
    # Written as C(d) C(d + z): to first order in z the square of the CTF half way.
    share = np.where(premultiplied[particles.optics_of_particle], 0.5, 1.0)
    along_view = particles.rotation[:, 2] @ centre
    return SubParticles(offset, shift, along_view * share)


def cut_images(
    images: Float32[np.ndarray, "n box box"], offset_pixels: Int64[np.ndarray, "n 2"], edge: int
) -> Float32[np.ndarray, "n edge edge"]:
    """Cut a square out of each image, centred on a pixel given from the image's centre (x, y)."""
    box = images.shape[-1]
    corner = box // 2 + offset_pixels - edge // 2
    steps = np.arange(edge)
    rows = corner[:, 1, None, None] + steps[:, None]
    columns = corner[:, 0, None, None] + steps
    return np.asarray(images[np.arange(len(images))[:, None, None], rows, columns])
