"""The first level of a global search: every view, in-plane turn and shift at low resolution.

All of it is linear algebra on angular harmonics (`cryofocus.poses.polar`): for each particle and
order one product of (shift, ring) with (ring, view), then one Fourier transform for all turns.
The slice's own power under the particle's CTF and noise is taken with both averaged over each
ring, so that it depends on neither turn nor shift.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import PADDING
from cryofocus.kernels.contract import SliceGeometry, SliceKernels
from cryofocus.maths.fourier import inverse_2d, sum_harmonics
from cryofocus.maths.sampling import rotations_to_views, turns_in_plane
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.candidates import Candidates, join
from cryofocus.poses.evidence import log_likelihood
from cryofocus.poses.likelihood import PoseData
from cryofocus.poses.polar import PolarGrid

# Views scored at a time: the correlations of one particle with so many stay in the cache.
VIEWS_AT_ONCE = 96
# The best turns of either half circle are kept of every view: along an axis of pseudo-symmetry
# they are different answers.
HALF_CIRCLES = 2
# Views up to so many spacings apart are neighbours, diagonal ones left aside.
NEIGHBOURS = 1.25
# Entries looked at for each candidate that is wanted; neighbours of better ones fall out.
ENTRIES_PER_CANDIDATE = 4


@dataclass(frozen=True, eq=False)
class CoarseGrid:
    """Slices of the reference along all views, and the turns and shifts to try.

    Attributes:
        polar: Rings, and the in-plane turns.
        views: `(view, 3, 3)` rotations with psi 0.
        shift_angstrom: `(shift, 2)`.
        slices: `(harmonic, ring, view)` conjugated harmonics of the slices, weighted for sums over
            the plane.
        power: `(view, ring)` what each ring adds to a slice's power.
        phases: `(shift, ring, half_angle)` what centres an image by each shift.
    """

    polar: PolarGrid
    views: Float64[np.ndarray, "view 3 3"]
    shift_angstrom: Float64[np.ndarray, "shift 2"]
    slices: Complex64[np.ndarray, "harmonic ring view"]
    power: Float32[np.ndarray, "view ring"]
    phases: Complex64[np.ndarray, "shift ring half_angle"]

    @classmethod
    def of_reference(
        cls,
        grid: Complex64[np.ndarray, "edge edge half 1"],
        polar: PolarGrid,
        directions: Float64[np.ndarray, "view 3"],
        shift_angstrom: Float64[np.ndarray, "shift 2"],
        extent_angstrom: float,
        kernels: SliceKernels,
    ) -> CoarseGrid:
        """Cut the slices of a reference.

        Args:
            grid: Padded transform of the reference.
            polar: Rings to cut along.
            directions: Of the views.
            shift_angstrom: To try.
            extent_angstrom: Edge of the images.
            kernels: Slice kernels of the device.
        """
        views = rotations_to_views(directions)
        rows = views[:, :2].astype(np.float32)
        geometry = SliceGeometry(grid.shape[0], polar.points * np.float32(PADDING), rows)
        shape = (len(polar.rings), len(polar.angle))
        slices = kernels.gather(grid, geometry)[..., 0].reshape(len(views), *shape)
        weighted = np.conj(polar.harmonics(slices)) * (polar.weight / polar.n_angles)[:, None]
        squared = (slices.real**2 + slices.imag**2).sum(axis=2)
        turns = shift_angstrom @ polar.points.T.astype(np.float64) / extent_angstrom
        return cls(
            polar,
            views,
            shift_angstrom,
            np.ascontiguousarray(weighted.transpose(2, 1, 0)),
            # Each sample stands for its conjugate on the other half circle too.
            2 * squared * polar.weight,
            np.exp(-2j * np.pi * turns).astype(np.complex64).reshape(len(turns), *shape),
        )

    @property
    def n_orientations(self) -> int:
        """Views times turns times shifts: what is compared with each image."""
        return len(self.views) * self.polar.n_turns * len(self.shift_angstrom)

    def search(
        self,
        data: PoseData,
        prior: ScalePrior,
        operators: OperatorSet,
        n_candidates: int,
        threads: int = 1,
    ) -> Candidates:
        """Compare images with everything, and keep the best few poses of each.

        Args:
            data: Images, not centred by anything.
            prior: Of the intensities.
            operators: Symmetry of the reference; equivalent poses count as one.
            n_candidates: Poses to keep of each particle.
            threads: Threads.
        """
        samples = self._sample(data)
        quadratic = self._ring_precision(data) @ self.power.T

        def one(i: int) -> Candidates:
            found = self._best_entries(
                samples[i], quadratic[i], prior, ENTRIES_PER_CANDIDATE * n_candidates
            )
            return found.distinct(operators, self._separation_degrees, n_candidates)

        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            return join(list(pool.map(one, range(len(samples)))))

    @cached_property
    def _separation_degrees(self) -> float:
        """Angle between poses of the grid below which they are neighbours."""
        directions = self.views[:, 2]
        nearest = np.asarray(cKDTree(directions).query(directions, k=2)[0])[:, 1]
        return NEIGHBOURS * float(np.degrees(np.median(nearest)))

    def _sample(self, data: PoseData) -> Complex64[np.ndarray, "n ring half_angle"]:
        """Sample images on the rings: exact for what lies within the particle's reach."""
        polar, n_shells = self.polar, len(self.polar.rings) + 1
        few = Band.disc(polar.box, n_shells)
        enters = data.band.shells < n_shells
        packed = data.data[:, enters] / data.band.hermitian[enters]
        images = inverse_2d(few.scatter(packed), polar.box)[:, polar.inside]
        real, imaginary = np.split(images @ polar.sampling_matrix, 2, axis=1)
        samples = real + np.complex64(1j) * imaginary
        return samples.reshape(len(images), len(polar.rings), len(polar.angle))

    def _ring_precision(self, data: PoseData) -> Float32[np.ndarray, "n ring"]:
        """Average what multiplies a slice's power over each ring."""
        n_shells = len(self.polar.rings) + 1
        sums = np.zeros((len(data.precision), n_shells), np.float32)
        for shell in range(1, n_shells):
            sums[:, shell] = data.precision[:, data.band.shells == shell].sum(axis=1)
        return np.asarray(sums[:, 1:] / data.band.shell_counts()[1:n_shells], np.float32)

    def _best_entries(
        self,
        samples: Complex64[np.ndarray, "ring half_angle"],
        quadratic: Float32[np.ndarray, " view"],
        prior: ScalePrior,
        n_entries: int,
    ) -> Candidates:
        """Find the views and half circles that hold the best turns and shifts, and these."""
        centred = self.polar.harmonics(samples * self.phases).transpose(2, 0, 1)
        centred = np.ascontiguousarray(centred)
        n_views = len(self.views)
        highest = np.empty((HALF_CIRCLES, n_views), np.float32)
        for first in range(0, n_views, VIEWS_AT_ONCE):
            views = slice(first, first + VIEWS_AT_ONCE)
            highest[:, views] = self._products(centred, views).max(axis=1)
        score = log_likelihood(highest, quadratic, prior)
        n_entries = min(n_entries, score.size)
        best = np.argpartition(-score.ravel(), n_entries - 1)[:n_entries]
        circle, view = np.divmod(best, n_views)
        # Where on its half circle, and at which shift: only of these few.
        place = self._products(centred, view)[circle, :, np.arange(n_entries)].argmax(axis=1)
        turn, shift = np.divmod(place, len(self.shift_angstrom))
        turn += circle * (self.polar.n_turns // HALF_CIRCLES)
        rotation = turns_in_plane(self.polar.turn_degrees[turn]) @ self.views[view]
        return Candidates(
            rotation[None], self.shift_angstrom[shift][None], score[circle, view][None]
        )

    def _products(
        self,
        centred: Complex64[np.ndarray, "harmonic shift ring"],
        views: slice | Int[np.ndarray, " view"],
    ) -> Float32[np.ndarray, "half_circle place view"]:
        """Multiply an image, at all turns and shifts, with the slices of some views."""
        products = sum_harmonics(centred @ self.slices[:, :, views], self.polar.n_turns)
        return products.reshape(HALF_CIRCLES, -1, products.shape[2])
