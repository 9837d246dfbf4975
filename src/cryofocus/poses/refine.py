"""Local refinement of poses: maximum likelihood, all particles of a chunk at a time.

Levenberg's and Marquardt's method on three rotations and two shifts: steps solve the normal
equations of the Fisher information with a damped diagonal, are taken where they raise the
posterior density of the pose, and damped more where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.consensus.images import ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.rotations import order_by_view
from cryofocus.poses.likelihood import PoseData, PoseLikelihood, PoseModel, compare
from cryofocus.poses.prior import PosePrior, wide_prior
from cryofocus.poses.result import ROTATIONS, Poses, turn
from cryofocus.poses.shift_scan import scan_shifts

MAX_STEPS = 12
# A step that would raise the log-likelihood by less than this is a small part of the error.
ENOUGH = 1e-3
FIRST_DAMPING, LESS, MORE = 1e-3, 0.2, 10.0
# Refinement is local: no step may turn a particle farther than this.
LARGEST_TURN_RADIANS = 0.12


def refine_poses(
    images: ParticleImages,
    model: PoseModel,
    kernels: SliceKernels,
    *,
    which: Int[np.ndarray, " m"] | None = None,
    prior: PosePrior | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Poses:
    """Refine the poses of some particles against a map, starting at those they have.

    Args:
        images: Prepared images; their particles' poses are the start.
        model: Map with derivatives, noise and intensities.
        kernels: Slice kernels of the device.
        which: Particles, in the order of the result; all by default.
        prior: What is known of the poses, one row for every particle of the set; shifts are then
            also looked for as far as it makes them likely. By default the start is taken to be
            near, under a very wide prior.
        advance: Called with the number of particles done.

    Returns:
        With the covariance of what images and prior leave open.
    """
    chosen = np.arange(len(images)) if which is None else np.asarray(which)
    known = prior or wide_prior(images)
    band = model.reference.band(images.particles.box)
    result = Poses.empty(len(chosen))
    # Particles with similar views share nodes of the grid: chunk by chunk, and within a chunk.
    order = order_by_view(images.particles.rotation[chosen, 2])
    done = 0
    for chunk in images.chunks(band, chosen[order]):
        rows = order[done : done + len(chunk.particles)]
        done += len(rows)
        data = PoseData.of_chunk(chunk, band, images, model.noise)
        ascent = _Ascent(data, model, known.take(chosen[rows]), kernels)
        rotation = np.asarray(images.particles.rotation[chosen[rows]], np.float64)
        found = ascent.climb(rotation, data.centre_angstrom)
        result.put(rows, found.poses)
        if prior is not None:
            others, poses = ascent.look_further(rotation, found)
            result.put(rows[others], poses)
        advance(len(rows))
    return result


@dataclass(frozen=True, eq=False)
class _Summit:
    """Poses at a maximum, and `(n,)` the logarithm of their posterior density there."""

    poses: Poses
    height: Float64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class _Ascent:
    """The posterior density of the poses of a chunk, and the way up."""

    data: PoseData
    model: PoseModel
    prior: PosePrior
    kernels: SliceKernels

    def take(self, rows: Int[np.ndarray, " m"]) -> _Ascent:
        """Return that of some of the particles."""
        return replace(self, data=self.data.take(rows), prior=self.prior.take(rows))

    def look_further(
        self, rotation: Float64[np.ndarray, "n 3 3"], found: _Summit
    ) -> tuple[Int[np.ndarray, " m"], Poses]:
        """Climb from the shifts that coarse detail prefers, too.

        Returns:
            The particles that are better off there, and their poses.
        """
        start = scan_shifts(self.data, self.model, rotation, self.prior, self.kernels)
        rows = np.flatnonzero((start != self.data.centre_angstrom).any(axis=1))
        if not len(rows):
            return rows, found.poses.take(rows)
        other = self.take(rows).climb(rotation[rows], start[rows])
        is_higher = other.height > found.height[rows]
        return rows[is_higher], other.poses.take(is_higher)

    def climb(
        self, rotation: Float64[np.ndarray, "n 3 3"], shift_angstrom: Float64[np.ndarray, "n 2"]
    ) -> _Summit:
        """Go up until no step would gain anything worth it."""
        rotation, shift = rotation.copy(), shift_angstrom.copy()
        everything = np.arange(len(rotation))
        current = self._at(everything, rotation, shift)
        damping = np.full(len(rotation), FIRST_DAMPING)
        active = everything
        for _ in range(MAX_STEPS):
            step, gain = _damped_step(
                current.gradient[active], current.information[active], damping[active]
            )
            active, step = active[gain > ENOUGH], step[gain > ENOUGH]
            if not len(active):
                break
            turned = turn(rotation[active], step[:, :3])
            moved = shift[active] + step[:, 3:]
            trial = self._at(active, turned, moved)
            is_higher = trial.objective > current.objective[active]
            better = active[is_higher]
            rotation[better], shift[better] = turned[is_higher], moved[is_higher]
            current.put(better, trial, is_higher)
            damping[active] *= np.where(is_higher, LESS, MORE)
        covariance = _inverse(current.information)
        poses = Poses(rotation, shift, covariance, current.log_likelihood)
        return _Summit(poses, current.objective)

    def _at(
        self,
        rows: Int[np.ndarray, " m"],
        rotation: Float64[np.ndarray, "m 3 3"],
        shift_angstrom: Float64[np.ndarray, "m 2"],
    ) -> PoseLikelihood:
        """Return the posterior density of some particles and its derivatives."""
        data = self.data if len(rows) == len(self.data.data) else self.data.take(rows)
        found = compare(data, self.model, rotation, shift_angstrom, self.kernels)
        prior = self.prior.take(rows)
        return PoseLikelihood(
            found.log_likelihood,
            found.objective + prior.log_density(rotation, shift_angstrom),
            found.gradient + prior.gradient(rotation, shift_angstrom),
            found.information + prior.information,
        )


def _damped_step(
    gradient: Float64[np.ndarray, "n 5"],
    information: Float64[np.ndarray, "n 5 5"],
    damping: Float64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, "n 5"], Float64[np.ndarray, " n"]]:
    """Return steps and what they should gain, to first order."""
    damped = information.copy()
    damped[:, range(5), range(5)] *= 1 + damping[:, None]
    step = np.linalg.solve(damped, gradient[..., None])[..., 0]
    angle = np.linalg.norm(step[:, ROTATIONS], axis=1)
    step *= np.minimum(1, LARGEST_TURN_RADIANS / np.maximum(angle, 1e-12))[:, None]
    return step, 0.5 * np.einsum("nk,nk->n", gradient, step)


def _inverse(information: Float64[np.ndarray, "n 5 5"]) -> Float64[np.ndarray, "n 5 5"]:
    """Invert, with parameters brought to one scale first."""
    scale = 1 / np.sqrt(np.diagonal(information, axis1=1, axis2=2))
    scales = scale[:, :, None] * scale[:, None, :]
    return np.asarray(np.linalg.inv(information * scales) * scales)
