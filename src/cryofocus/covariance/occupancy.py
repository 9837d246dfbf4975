"""How much of each region every single particle holds, without any classification.

Particle i shows the map V with each region's content V_r changed by a factor 1 + a_ir, and so
every block of the rest. With z_i the matched-filtered residual and q_i the precision of its image
(docs/derivations/small-box-statistics.md),

    b_ir = <z_i, P_i V_r>,    A_irs = <P_i V_r, q_i P_i V_s>

are sufficient for the factors: their joint least-squares estimate is A^-1 b with covariance A^-1.
Regions that overlap in projection are told apart by it, as far as the view allows, and the blocks
that vary least set the grey scale against which regions are measured
(docs/derivations/covariance.md).

Occupancies are relative to the rest of the particle, whatever an image's grey scale. But what no
region covers may vary as well, and with a region: were the whole rest the reference, a particle
with more of it would seem to have less of every region, and independent regions would come out
anticorrelated. So the rest is cut into blocks of equal mass, each with a factor of its own in
every image, and the half that varies least is the reference (docs/derivations/covariance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.half_grids import stack_grids
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import PADDING
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.covariance.regions import Region, solvent_contour
from cryofocus.errors import RegionError
from cryofocus.kernels.contract import SliceKernels

# A weak prior, relative to the mean information on each factor: keeps views in which two regions
# lie exactly behind each other from dividing by nothing; they count for nothing anyway.
WEAK_PRIOR = 1e-4
# Sixteen blocks.
N_HALVINGS = 4
# A block with fewer dense voxels is not cut further.
FEWEST_VOXELS = 16
# Part of the rest's mass that is the reference.
REFERENCE_SHARE = 0.5

Mask = Bool[np.ndarray, "box box box"]


@dataclass(frozen=True, eq=False)
class Templates:
    """The densities whose factors are fitted to each image.

    Attributes:
        names: Of the regions.
        volumes: `(component, box, box, box)` the pieces of all regions, then the rest's blocks.
        content: `(region, piece)` how factors of pieces combine to a region's content: by mass.
    """

    names: tuple[str, ...]
    volumes: Float32[np.ndarray, "component box box box"]
    content: Float64[np.ndarray, "region piece"]

    @property
    def n_pieces(self) -> int:
        """Number of the regions' pieces; what follows them are blocks of the rest."""
        return int(self.content.shape[1])

    @property
    def block_mass(self) -> Float64[np.ndarray, " block"]:
        """Mass of each block of the rest, in the map's units times voxels."""
        return np.asarray(self.volumes[self.n_pieces :].sum(axis=(1, 2, 3), dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Occupancies:
    """What each image says of the regions' contents.

    Attributes:
        names: Of the regions.
        values: `(particle, region)` content of a region, relative to its mean content in all
            particles and to the particle's reference: -1 where nothing is there, 0 for the mean.
        noise: `(particle, region, region)` covariance of their errors.
    """

    names: tuple[str, ...]
    values: Float64[np.ndarray, "particle region"]
    noise: Float64[np.ndarray, "particle region region"]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.values)

    def take(self, which: Int[np.ndarray, " m"]) -> Occupancies:
        """Return chosen particles, in the order asked for."""
        return replace(self, values=self.values[which], noise=self.noise[which])


def make_templates(
    regions: Sequence[Region], density: Float32[np.ndarray, "box box box"]
) -> Templates:
    """Cut the regions' pieces, and what is left, out of the consensus density.

    Raises:
        RegionError: When a region holds no density: it lies outside of the particle.
    """
    pieces = [region.pieces() for region in regions]
    covered = np.any([region.inside for region in regions], axis=0)
    rest = np.where(covered, np.float32(0), density)
    blocks = cut_into_blocks(rest, rest > solvent_contour(density))
    flat = [density * piece for own in pieces for piece in own]
    content = np.zeros((len(regions), len(flat)))
    start = 0
    for row, (region, own) in enumerate(zip(regions, pieces, strict=True)):
        columns = slice(start, start + len(own))
        mass = np.array([volume.sum(dtype=np.float64) for volume in flat[columns]])
        if mass.sum() <= 0:
            raise RegionError(
                f"region {region.name}: the consensus map has no density there; expected a region "
                "of the particle. Check that mask and map lie in one frame, and that the region "
                "is not outside of the particle."
            )
        share = np.maximum(mass, 0.0)
        content[row, columns] = share / share.sum()
        start += len(own)
    volumes = np.stack([*flat, *(rest * block for block in blocks)]).astype(np.float32)
    return Templates(tuple(region.name for region in regions), volumes, content)


def measure_occupancies(
    consensus: Consensus,
    templates: Templates,
    n_shells: int,
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Occupancies:
    """Fit all regions of every particle jointly, in one pass over the images.

    The particles' intensity scale is not fitted before: it would be too large where many regions
    are filled, and make independent ones look anticorrelated. The reference takes its place.

    Args:
        consensus: Images, consensus map and noise.
        templates: The regions' densities and the rest's.
        n_shells: Shells of the particle's box that enter.
        kernels: Slice kernels of the device.
        advance: Called with the number of particles done.
    """
    images = consensus.images
    unscaled = replace(consensus.image_model, scale_prior=ScalePrior(1.0, 0.0))
    band = Band.disc(images.particles.box, n_shells)
    grid = kernels.send(stack_grids(list(templates.volumes)))
    hermitian = kernels.send(band.hermitian)
    n_components = len(templates.volumes)
    linear = np.empty((len(images), n_components))
    quadratic = np.empty((len(images), n_components, n_components))
    background = whole_consensus(consensus, kernels)
    for residual in matched_residuals(background, unscaled, band):
        geometry = images.geometry(band, PADDING, grid.shape[0], residual.particles)
        linear[residual.particles], quadratic[residual.particles] = kernels.latent_moments(
            grid, geometry, residual.data[0] * hermitian, residual.precision * hermitian
        )
        advance(len(residual.particles))
    contrast = occupancy_contrast(templates, linear, quadratic)
    return Occupancies(templates.names, *solve_occupancies(linear, quadratic, contrast))


def occupancy_contrast(
    templates: Templates,
    linear: Float64[np.ndarray, "particle component"],
    quadratic: Float64[np.ndarray, "particle component component"],
) -> Float64[np.ndarray, "region component"]:
    """Return how factors combine to occupancies: content less what the reference blocks say."""
    mass, n_pieces = templates.block_mass, templates.n_pieces
    relative = np.zeros((len(mass), n_pieces + len(mass)))
    relative[:, n_pieces:] = np.eye(len(mass)) - mass / mass.sum()
    factors, noise = solve_occupancies(linear, quadratic, relative)
    reference = choose_reference(factors, np.diagonal(noise, axis1=1, axis2=2).copy(), mass)
    below = np.broadcast_to(-reference, (len(templates.content), len(mass)))
    return np.concatenate([templates.content, below], axis=1)


def solve_occupancies(
    linear: Float64[np.ndarray, "particle component"],
    quadratic: Float64[np.ndarray, "particle component component"],
    contrast: Float64[np.ndarray, "region component"],
) -> tuple[Float64[np.ndarray, "particle region"], Float64[np.ndarray, "particle region region"]]:
    """Solve every particle's weighted least squares and combine factors to occupancies.

    Returns:
        Occupancies and the covariance of their errors.
    """
    information = np.diagonal(quadratic, axis1=1, axis2=2).mean(axis=0)
    regular = quadratic + np.diag(WEAK_PRIOR * np.maximum(information, np.finfo(float).tiny))
    projected = np.linalg.solve(
        regular, np.broadcast_to(contrast.T, (len(linear), *contrast.T.shape))
    )
    values = np.einsum("ncr,nc->nr", projected, linear)
    noise = np.einsum("rc,ncs->nrs", contrast, projected)
    return values, 0.5 * (noise + np.swapaxes(noise, 1, 2))


def cut_into_blocks(density: Float32[np.ndarray, "box box box"], dense: Mask) -> Iterator[Mask]:
    """Yield blocks of about equal mass that together fill the box.

    Every block is cut across its longest direction, at the median of its mass.

    Args:
        density: Map of what is to be cut.
        dense: Voxels whose mass counts; the others go with the block in which they lie.
    """
    yield from _cut(np.where(dense, density, np.float32(0)), np.ones(density.shape, bool), 0)


def _cut(mass: Float32[np.ndarray, "box box box"], block: Mask, depth: int) -> Iterator[Mask]:
    own = np.nonzero(block & (mass > 0))
    if depth == N_HALVINGS or len(own[0]) < FEWEST_VOXELS:
        yield block
        return
    weight, place = mass[own].astype(np.float64), np.stack(own).astype(np.float64)
    centre = place @ weight / weight.sum()
    offset = place - centre[:, None]
    longest = np.linalg.eigh((offset * weight) @ offset.T)[1][:, -1]
    along = longest @ place
    order = np.argsort(along, kind="stable")
    middle = along[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]
    z, y, x = np.ogrid[tuple(slice(edge) for edge in mass.shape)]
    before = longest[0] * z + longest[1] * y + longest[2] * x < middle
    yield from _cut(mass, block & before, depth + 1)
    yield from _cut(mass, block & ~before, depth + 1)


def choose_reference(
    factors: Float64[np.ndarray, "particle block"],
    variance: Float64[np.ndarray, "particle block"],
    mass: Float64[np.ndarray, " block"],
) -> Float64[np.ndarray, " block"]:
    """Weigh the blocks that vary least, by mass; the others get zero.

    Args:
        factors: Of the blocks, relative to all of them.
        variance: Of the errors of the factors.
        mass: Of the blocks.

    Returns:
        Weights that sum to one.
    """
    certainty = variance**-2
    mean = (certainty * factors).sum(axis=0) / certainty.sum(axis=0)
    excess = (certainty * ((factors - mean) ** 2 - variance)).sum(axis=0) / certainty.sum(axis=0)
    share = np.maximum(mass, 0) / np.maximum(mass, 0).sum()
    order = np.argsort(np.where(share > 0, excess, np.inf))
    needed = 1 + int(np.searchsorted(np.cumsum(share[order]), REFERENCE_SHARE))
    weights = np.zeros(len(mass))
    quiet = order[:needed]
    weights[quiet] = share[quiet] / share[quiet].sum()
    return weights
