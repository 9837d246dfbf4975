"""The strategy `mask2d`: whole maps, compared with images inside the projected region only.

The focused classification of Frealign and cisTEM: classes are whole maps, reconstructed from all
that the images show; only the log-likelihood looks through a circle, or through the projection of
a mask (docs/derivations/mask2d.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8

from cryofocus.arrays import AnyArray
from cryofocus.inference.deviations.strategy import prepare_residual
from cryofocus.inference.mask2d.projected_mask import ProjectedRegion, project_mask, project_sphere
from cryofocus.inference.mask2d.region_likelihood import (
    compare,
    particle_weights,
    update_occupancies,
)
from cryofocus.inference.mask2d.white_images import WhiteImages, whiten_images
from cryofocus.inference.mask2d.whole_maps import (
    inscribed_sphere,
    reconstruct_classes,
    reference_grids,
    sample_map,
)
from cryofocus.inference.posterior import posterior_change, random_posteriors
from cryofocus.inference.references import scale_references
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategy import (
    CycleRecord,
    Prepared,
    pack_history,
    reason_to_stop,
    unpack_history,
)
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.masks import resample_mask

Posteriors = Float64[np.ndarray, "particle n_classes"]


@dataclass(frozen=True, eq=False)
class Mask2dState:
    """Everything a cycle starts from.

    Attributes:
        posteriors: `(particle, n_classes)` occupancies, each particle's sum 1.
        sigma: `(particle,)` averaged over classes with the occupancies.
        log_evidence: `(particle,)` log-likelihood over all classes inside the region.
        history: Cycles done.
    """

    posteriors: Posteriors
    sigma: Float64[np.ndarray, " particle"]
    log_evidence: Float64[np.ndarray, " particle"]
    history: tuple[CycleRecord, ...] = ()


@dataclass(frozen=True, eq=False)
class Mask2dStrategy:
    """`Strategy` that compares images with whole maps inside a projected region.

    Attributes:
        images: Whitened images.
        region: What of each image counts.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels.
        settings: Of the classification.
        envelope: `(box, box, box)` what the references are multiplied by: the solvent mask, or the
            sphere that the box holds.
        references: Maps the first run starts from, sampled and scaled as the class maps are; or
            none.
        search: Gives starting occupancies of a run from a subspace; None for random ones.
    """

    images: WhiteImages
    region: ProjectedRegion
    half_set: Int8[np.ndarray, " particle"]
    kernels: SliceKernels
    settings: ClassifierSettings
    envelope: Float32[np.ndarray, "box box box"]
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()
    search: Callable[[int], Posteriors] | None = None

    @property
    def scale(self) -> Float32[np.ndarray, " particle"]:
        """Intensity scale of each particle: none is fitted, as published."""
        return np.ones(len(self.images), np.float32)

    @property
    def n_cycles(self) -> int:
        """Cycles a run may take at most."""
        return self.settings.max_cycles

    def start(self, run: int) -> Mask2dState:
        """Start the first run from given maps, others (or all) from the run's random stream."""
        if run == 0 and self.references:
            n, n_classes = len(self.images), self.settings.n_classes
            equal = self.begin(np.full((n, n_classes), 1 / n_classes))
            return self.begin(self.judge(equal, self.references).posteriors)
        if self.search is not None:
            return self.begin(self.search(run))
        generator = np.random.default_rng([self.settings.seed, run])
        drawn = random_posteriors(len(self.images), self.settings.n_classes, generator)
        return self.begin(drawn)

    def begin(self, posteriors: Posteriors) -> Mask2dState:
        """Return the state that starts from given posteriors, all particles equally trusted."""
        n = len(posteriors)
        return Mask2dState(posteriors, np.ones(n), np.zeros(n))

    def step(self, state: Mask2dState) -> Mask2dState:
        """Do one cycle: reconstruct every class, then compare and update occupancies."""
        weights = particle_weights(state.posteriors, state.sigma)
        maps = reconstruct_classes(self.images, self.half_set, weights, self.kernels)
        return self.judge(state, [estimate.full for estimate in maps])

    def judge(
        self, state: Mask2dState, maps: Sequence[Float32[np.ndarray, "box box box"]]
    ) -> Mask2dState:
        """Compare all images with given maps and update the occupancies."""
        images = self.images
        references = reference_grids(maps, self.envelope, images.geometry.edge)
        sigma = state.sigma if self.settings.fitted_scale else None
        comparison = compare(images, self.region, references, self.kernels, sigma)
        before = state.posteriors.mean(axis=0)
        posteriors, evidence = update_occupancies(comparison.log_likelihood, before)
        record = CycleRecord(
            float(evidence.sum()),
            posterior_change(state.posteriors, posteriors),
            tuple(float(weight) for weight in before),
        )
        return Mask2dState(
            posteriors=posteriors,
            sigma=(posteriors * comparison.sigma).sum(axis=1),
            log_evidence=evidence,
            history=(*state.history, record),
        )

    def terminate(self, state: Mask2dState) -> str | None:
        """Return why the run is over, or None while it is not."""
        return reason_to_stop(state.history, self.settings.max_cycles, self.settings.tolerance)

    def describe(self, state: Mask2dState) -> str:
        """Say where a run is, in a few words."""
        if not state.history:
            return "start"
        last = state.history[-1]
        return f"log-likelihood {last.log_posterior:.2f}, change {last.posterior_change:.4f}"

    def pack(self, state: Mask2dState) -> dict[str, AnyArray]:
        """Return a state as plain arrays, nothing rounded."""
        return {
            "posteriors": state.posteriors,
            "sigma": state.sigma,
            "log_evidence": state.log_evidence,
            "history": pack_history(state.history),
        }

    def unpack(self, arrays: Mapping[str, AnyArray]) -> Mask2dState:
        """Return the state that `pack` packed."""
        return Mask2dState(
            posteriors=arrays["posteriors"],
            sigma=arrays["sigma"],
            log_evidence=arrays["log_evidence"],
            history=unpack_history(arrays["history"]),
        )


def prepare_mask2d(prepared: Prepared) -> Mask2dStrategy:
    """Whiten every image once and project the region along every view."""
    settings, ground = prepared.settings, prepared.ground
    with ground.monitor.stage("whitening", len(ground.consensus.images)) as advance:
        images = whiten_images(
            ground.consensus, ground.n_shells, allocate=ground.allocate, advance=advance
        )
    box = images.reference_box
    if ground.solvent is None:
        envelope = inscribed_sphere(box, images.voxel_size_angstrom)
    else:
        envelope = resample_mask(ground.solvent, box)
    references = scale_references(prepared.references, ground.consensus.map.full)
    search = prepare_residual(prepared).search if settings.resolved_start == "subspace" else None
    return Mask2dStrategy(
        images=images,
        region=_project_region(prepared),
        half_set=ground.half_set,
        kernels=ground.kernels,
        settings=settings,
        envelope=envelope,
        references=tuple(sample_map(m, box) for m in references),
        search=search,
    )


def _project_region(prepared: Prepared) -> ProjectedRegion:
    settings, ground = prepared.settings, prepared.ground
    mask, images = ground.mask, ground.consensus.images
    if mask.radius_angstrom is not None:
        settings.require_region("sphere")
        return project_sphere(images, mask, settings.circle_edge_angstrom)
    settings.require_region("mask file")
    box = images.particles.box
    shadows = ground.allocate((len(images), box, box), np.float32)
    return project_mask(images, mask.data, settings.projection_threshold, ground.kernels, shadows)
