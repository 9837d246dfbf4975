"""Whole maps, compared with images inside the projected region only.

Classes are reconstructed from all that the images show; only the log-likelihood looks through a
circle, or through the projection of a mask (docs/derivations/mask2d.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int8

from cryofocus.arrays import AnyArray
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.match import ImageMatch, choose_bands
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.consensus.sampling import sample_map
from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.cycles import CycleRecord
from cryofocus.inference.deviations.comparison import compare_deviations
from cryofocus.inference.mask2d.projected_mask import ProjectedRegion, project_mask, project_sphere
from cryofocus.inference.mask2d.region_likelihood import (
    compare,
    particle_weights,
    update_occupancies,
)
from cryofocus.inference.mask2d.white_images import WhiteImages, whiten_images
from cryofocus.inference.mask2d.whole_maps import (
    Envelope,
    inscribed_sphere,
    reconstruct_classes,
    reference_grids,
    shared_power,
)
from cryofocus.inference.posterior import posterior_change, random_posteriors
from cryofocus.inference.references import scale_references
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
        inverse_tau2: `(grid_shells,)` 1/tau2 of the last cycle's maps, averaged over classes; None
            before there are any.
    """

    posteriors: Posteriors
    sigma: Float64[np.ndarray, " particle"]
    log_evidence: Float64[np.ndarray, " particle"]
    inverse_tau2: Float64[np.ndarray, " grid_shells"] | None = None


@dataclass(frozen=True, eq=False)
class Mask2dComparison:
    """`Comparison` that compares images with whole maps inside a projected region.

    Attributes:
        images: Whitened images.
        region: What of each image counts; None for all of it.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels.
        plan: Where runs start.
        envelope: What of a class map its reference holds: that inside the solvent mask, or inside
            the sphere that the box holds.
        fitted_scale: Whether each class's scale is fitted, as Frealign does.
        references: Maps the first run starts from, sampled and scaled as the class maps are; or
            none.
        search: Gives starting occupancies of a run from a subspace; None for random ones.
    """

    images: WhiteImages
    region: ProjectedRegion | None
    half_set: Int8[np.ndarray, " particle"]
    kernels: SliceKernels
    plan: RunPlan
    envelope: Envelope
    fitted_scale: bool = False
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()
    search: Callable[[int, Advance], Posteriors] | None = None

    @property
    def scale(self) -> Float32[np.ndarray, " particle"]:
        """Intensity scale of each particle: none is fitted, as published."""
        return np.ones(len(self.images), np.float32)

    @property
    def match(self) -> ImageMatch | None:
        """How well each image matches the consensus."""
        return self.images.match

    @property
    def n_prior_cycles(self) -> int:
        """None: nothing is known of maps beforehand."""
        return 0

    def start(self, run: int, advance: Advance = uncounted) -> Mask2dState:
        """Start the first run from given maps, others (or all) from the run's random stream."""
        if run == 0 and self.references:
            n, n_classes = len(self.images), self.plan.n_classes
            equal = self.begin(np.full((n, n_classes), 1 / n_classes))
            return self.begin(self.e_step(equal, self.references)[0].posteriors)
        if self.search is not None:
            return self.begin(self.search(run, advance))
        n, n_classes = len(self.images), self.plan.n_classes
        return self.begin(random_posteriors(n, n_classes, self.plan.generator(run)))

    def begin(self, posteriors: Posteriors) -> Mask2dState:
        """Return the state that starts from given posteriors, all particles equally trusted."""
        n = len(posteriors)
        return Mask2dState(posteriors, np.ones(n), np.zeros(n))

    def step(self, state: Mask2dState) -> tuple[Mask2dState, CycleRecord]:
        """Do one cycle, an M-step and an E-step."""
        state, maps = self.m_step(state)
        return self.e_step(state, maps)

    def m_step(
        self, state: Mask2dState
    ) -> tuple[Mask2dState, list[Float32[np.ndarray, "box box box"]]]:
        """Reconstruct every class from the particles' occupancies.

        The Wiener filter is that of the power found in the cycle before, one for all classes.
        """
        weights = particle_weights(state.posteriors, state.sigma)
        solved = reconstruct_classes(
            self.images, self.half_set, weights, self.kernels, state.inverse_tau2
        )
        power = shared_power(solved, state.posteriors.mean(axis=0))
        return replace(state, inverse_tau2=power), [one.estimate.full for one in solved]

    def e_step(
        self, state: Mask2dState, maps: Sequence[Float32[np.ndarray, "box box box"]]
    ) -> tuple[Mask2dState, CycleRecord]:
        """Compare all images with given maps and update the occupancies."""
        images = self.images
        references = reference_grids(maps, self.envelope, images.geometry.edge)
        sigma = state.sigma if self.fitted_scale else None
        compared = compare(images, self.region, references, self.kernels, sigma)
        before = state.posteriors.mean(axis=0)
        posteriors, evidence = update_occupancies(compared.log_likelihood, before)
        record = CycleRecord(
            float(evidence.sum()),
            posterior_change(state.posteriors, posteriors),
            tuple(float(weight) for weight in before),
        )
        sigma = (posteriors * compared.sigma).sum(axis=1)
        return Mask2dState(posteriors, sigma, evidence, state.inverse_tau2), record

    def finish(self, state: Mask2dState) -> Mask2dState:
        """Return the state: it is small."""
        return state

    def pack(self, state: Mask2dState) -> dict[str, AnyArray]:
        """Return a state as plain arrays, nothing rounded."""
        arrays: dict[str, AnyArray] = {
            "posteriors": state.posteriors,
            "sigma": state.sigma,
            "log_evidence": state.log_evidence,
        }
        if state.inverse_tau2 is not None:
            arrays["inverse_tau2"] = state.inverse_tau2
        return arrays

    def unpack(self, arrays: Mapping[str, AnyArray]) -> Mask2dState:
        """Return the state that `pack` packed."""
        return Mask2dState(
            arrays["posteriors"],
            arrays["sigma"],
            arrays["log_evidence"],
            arrays.get("inverse_tau2"),
        )


def whiten(ground: Ground) -> WhiteImages:
    """Whiten every image once, and match it with the consensus."""
    consensus, n_shells = ground.consensus, ground.n_shells
    against = whole_consensus(consensus, ground.kernels), choose_bands(consensus, n_shells)
    with ground.monitor.stage("whitening", len(consensus.images)) as advance:
        return whiten_images(
            consensus, n_shells, against, allocate=ground.allocate, advance=advance
        )


def project_region(
    ground: Ground, circle_edge_angstrom: float, projection_threshold: float
) -> ProjectedRegion:
    """Project the region along every view: a sphere to a circle, a mask to its shadow.

    Args:
        ground: Images and region.
        circle_edge_angstrom: Width of the circle's soft edge.
        projection_threshold: Fraction of a shadow's largest value from which on a pixel counts.
    """
    images, mask = ground.consensus.images, ground.mask
    if mask.radius_angstrom is not None:
        return project_sphere(images, mask, circle_edge_angstrom)
    box = images.particles.box
    shadows = ground.allocate((len(images), box, box), np.float32)
    return project_mask(images, mask.data, projection_threshold, ground.kernels, shadows)


def whole_particle(ground: Ground, images: WhiteImages) -> Float32[np.ndarray, "box box box"]:
    """Return the solvent mask, or the sphere that the box holds, on the grid of references."""
    box = images.reference_box
    if ground.solvent is None:
        return inscribed_sphere(box, images.voxel_size_angstrom)
    return resample_mask(ground.solvent, box)


def compare_whole_maps(
    ground: Ground,
    plan: RunPlan,
    images: WhiteImages,
    region: ProjectedRegion | None,
    *,
    envelope: Envelope | None = None,
    fitted_scale: bool = False,
) -> Mask2dComparison:
    """Compare whitened images with whole maps inside a projected region.

    Args:
        ground: Where the images are from.
        plan: Where runs start.
        images: From `whiten`.
        region: From `project_region`; None compares whole images.
        envelope: What of a class map its reference holds; by default what lies inside the solvent
            mask, or inside the sphere that the box holds.
        fitted_scale: Whether each class's scale is fitted, as Frealign does.
    """
    box = images.reference_box
    if envelope is None:
        envelope = Envelope(whole_particle(ground, images))
    references = scale_references(plan.references, ground.consensus.map.full)
    search = compare_deviations(ground, plan).search if plan.start == "subspace" else None
    return Mask2dComparison(
        images=images,
        region=region,
        half_set=ground.half_set,
        kernels=ground.kernels,
        plan=plan,
        envelope=envelope,
        fitted_scale=fitted_scale,
        references=tuple(sample_map(volume, box) for volume in references),
        search=search,
    )
