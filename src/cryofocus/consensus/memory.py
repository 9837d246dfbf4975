"""What maps take in memory: known before they are made, and refused where it cannot be had."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryofocus.consensus.images import CHUNK_PIXELS, PADDING, PART_PIXELS, ParticleImages
from cryofocus.consensus.reach import LEAST_MARGIN
from cryofocus.errors import SettingError
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.fourier import BLOCK_VALUES
from cryofocus.maths.shells import shell_resolution_angstrom

# The program itself with its libraries; and with what is left of a run when the report is drawn.
PROGRAM_GB, DRAWING_GB = 0.27, 0.42
# What allocators keep beside that.
SLACK_GB = 0.1
# Of every pixel of images that are prepared, and of every point of those that are worked on.
PIXEL_BYTES, POINT_BYTES = 16, 60
# Of every node of a padded grid: while sums become a map, and while a map becomes a grid; of every
# node that is worked on at a time where sums are used up.
SOLVE_BYTES, LAY_OUT_BYTES, BLOCK_BYTES = 6, 12, 50
# Of every voxel of a map and its half maps.
ESTIMATE_BYTES = 12
# Of every voxel on the grid of the files: the mask, and a map that is written, or read to be drawn
# at no more than so many voxels, of which each takes the last of these.
MASK_BYTES, WRITE_BYTES, READ_BYTES, DRAWN_BOX, DRAWN_BYTES = 4, 7, 11, 240, 25
# So many times finer than a band is looked for one that fits.
STEPS = 50


@dataclass(frozen=True)
class MapMemory:
    """What it takes to make maps from images, in GB.

    Attributes:
        grids: Sums of slices while maps are made of them.
        slices: The grid of a map that slices are cut from, while it is laid out.
        estimate: A map and its half maps.
        images: Images that are worked on at a time.
        mask: The mask on the grid of the files.
        writing: A map that is written.
        report: Maps that are drawn, and the program that draws them.
    """

    grids: float
    slices: float
    estimate: float
    images: float
    mask: float
    writing: float
    report: float

    @classmethod
    def of(cls, images: ParticleImages, kernels: SliceKernels, n_maps: int) -> MapMemory:
        """Foresee what maps on the grid of some images take, made as `reconstruct_maps` does."""
        box, file_box = images.particles.box, images.file_box or images.particles.box
        edge = PADDING * box
        n_columns = min(kernels.columns_at_once(edge), n_maps)
        sums, growing = kernels.sums_bytes(edge, n_columns)
        nodes = edge**2 * (edge // 2 + 1)
        kept, solving = sums, SOLVE_BYTES * nodes
        if not kernels.halves_at_once(edge):
            kept, solving = 0, BLOCK_BYTES * min(nodes, BLOCK_VALUES)
        helpers, n = images.helpers(kernels.send), len(images)
        # Threads prepare parts of chunks; others wait for what is made of them.
        prepared = min(n, (1 + helpers) * images.most_particles(PART_PIXELS))
        worked_on = min(n, (1 + 2 * helpers) * images.most_particles(CHUNK_PIXELS))
        in_images = PIXEL_BYTES * prepared * file_box**2
        in_images += POINT_BYTES * worked_on * len(images.largest_band())
        return cls(
            grids=(kept + max(growing, sums + solving)) / 1e9,
            slices=LAY_OUT_BYTES * nodes / 1e9,
            estimate=ESTIMATE_BYTES * box**3 / 1e9,
            images=in_images / 1e9,
            mask=MASK_BYTES * file_box**3 / 1e9,
            writing=WRITE_BYTES * file_box**3 / 1e9,
            report=DRAWING_GB + _drawing_bytes(file_box) / 1e9,
        )

    @property
    def consensus(self) -> float:
        """The most that is taken while one map of all images is made."""
        making = self.images + max(self.grids, self.slices) + self.estimate
        return PROGRAM_GB + self.mask + making

    def peak(self, n_maps: int, statistics_gb: float = 0.0) -> float:
        """Return the most that is taken at any time of a classification.

        Args:
            n_maps: Of classes, controls among them.
            statistics_gb: What is kept of the images meanwhile.
        """
        maps = (1 + n_maps) * self.estimate
        runs = self.estimate + statistics_gb + self.images + self.slices
        classes = self.images + self.grids + maps
        stages = (runs, classes, self.writing + maps)
        return max(self.consensus, PROGRAM_GB + self.mask + max(stages), self.report)


def _drawing_bytes(box: int) -> int:
    """Return what drawing maps takes; large ones are read before they are made smaller."""
    drawn = DRAWN_BYTES * min(box, DRAWN_BOX) ** 3
    return drawn + (READ_BYTES * box**3 if box > DRAWN_BOX else 0)


def require_memory(images: ParticleImages, kernels: SliceKernels) -> None:
    """Refuse maps that do not fit into memory even one half set at a time.

    Raises:
        SettingError: With what would fit.
    """
    if fits(images, kernels):
        return
    needed, bound = _least_gb(images, kernels), kernels.host_gb
    particles = images.particles
    grid = (particles.box, particles.pixel_size_angstrom)
    if not fits(images.cropped(1), kernels):
        raise SettingError(
            f"memory: {bound:.3g} GB may be used, but the program itself, the images it works on "
            f"at a time and one map take {needed:.2f} GB, however few the particles. Allow "
            f"--memory {_round_up(needed)}GB or more."
        )
    n_shells = images.largest_band().n_shells
    while n_shells > 1 and not fits(images.cropped(n_shells), kernels):
        n_shells -= 1 + n_shells // STEPS
    # A margin is added to what is asked for.
    coarser = shell_resolution_angstrom(max(1, n_shells - LEAST_MARGIN - 1), *grid)
    raise SettingError(
        f"memory: maps to {shell_resolution_angstrom(particles.box // 2, *grid):.2f} Å take "
        f"{needed:.3g} GB, even one half set at a time, but {bound:.3g} GB may be used. Allow "
        f"--memory {_round_up(needed)}GB or, with classify and reconstruct, make maps to "
        f"{math.ceil(10 * coarser) / 10:.1f} Å with --map-resolution."
    )


def _round_up(gigabytes: float) -> str:
    """Write a number of GB that is enough, whole from 1 on."""
    return f"{math.ceil(gigabytes) if gigabytes > 1 else math.ceil(10 * gigabytes) / 10:g}"


def fits(images: ParticleImages, kernels: SliceKernels) -> bool:
    """Return whether maps on the grid of some images fit into memory."""
    bound = kernels.host_gb
    return bound is None or _least_gb(images, kernels) <= bound


def _least_gb(images: ParticleImages, kernels: SliceKernels) -> float:
    """Return what it takes to make one map."""
    return MapMemory.of(images, kernels, 1).peak(0) + SLACK_GB
