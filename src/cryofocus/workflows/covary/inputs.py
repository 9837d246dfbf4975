"""What `covary` reads: runs or particles, and the regions, checked to fit together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from cryofocus.complaints import show
from cryofocus.covariance.conditional import STATES, Condition
from cryofocus.covariance.regions import Region, require_distinct, separate, shared_part
from cryofocus.data.mask import FocusMask
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.errors import InputError, SettingError
from cryofocus.logs import get_logger
from cryofocus.option import Option
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.covary.independence import Candidate, Origin, find_independent
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import JobRecord

logger = get_logger(__name__)

# Fewer runs from different random starts say little about what another start would find.
ENOUGH_RUNS = 3
# Regions that share more than this of the smaller one are worth a word.
NOTICED_OVERLAP = 0.05
CLASSES, PARTICLES = "Class maps", "Single particles"


class CovarySettings(TableSource):
    """How regions are compared; for a particle table, also where its images are.

    Attributes:
        perfect: Map in which every region is fully occupied: masses become fractions of its
            masses. Default: fractions of the masses in the consensus.
        contour: Density above which a voxel counts, in the maps' units. Default: three standard
            deviations above the solvent.
        given: Regions whose presence is given: how the others vary together among the particles
            that have it, and among those that lack it; only one of the two for `NAME=present`
            and `NAME=absent`.
        max_resolution_angstrom: Finest detail used, in Å. Default: the resolution of the
            consensus (FSC 0.143 between its half maps).
        invert: For a particle table: whether protein is dark in the images; runs know it.
        seed: Random seed.
    """

    perfect: Annotated[Path | None, Option(metavar="MAP", panel=CLASSES)] = None
    contour: Annotated[float | None, Option(panel=CLASSES)] = None
    given: Annotated[
        tuple[str, ...], Option(metavar="NAME[=present|absent]", panel=PARTICLES)
    ] = ()
    max_resolution_angstrom: Annotated[float | None, Option(panel=PARTICLES)] = Field(
        default=None, ge=0.1
    )
    invert: InvertChoice = "auto"
    seed: int = Field(default=1, ge=0)


SPHERE = re.compile(r"[-+.\de]+(,[-+.\de]+){3}")


@dataclass(frozen=True, eq=False)
class Run:
    """A finished classification.

    Attributes:
        name: As the user named it.
        directory: Directory of the run.
        job: What its job.json says.
        posteriors: `(particle, class)`.
        particles: The particles it classified; None where they cannot be read any more.
        invert: How the run was told to take the contrast.
        origin: Where its best start came from.
        counts: Whether it counts; False for a copy of an earlier one.
    """

    name: str
    directory: RunDirectory
    job: JobRecord
    posteriors: Float[np.ndarray, "particle n_classes"]
    particles: ParticleSet | None
    invert: Literal["auto", "yes", "no"]
    origin: Origin
    counts: bool = True


@dataclass(frozen=True, eq=False)
class CovaryInputs:
    """Runs (none for a particle table), the particles, and the regions on their grid."""

    runs: tuple[Run, ...]
    particles: ParticleSet | None
    regions: tuple[Region, ...]
    shares_particles: bool
    conditions: tuple[Condition, ...] = ()


def name_masks(given: object) -> dict[str, Path]:
    """Take mask files by the name of their region, from a mapping or from `NAME=MASK` texts.

    Raises:
        SettingError: When a mask has no name, a name no file, or a name is used twice.
    """
    entries: list[tuple[object, object, object]]
    if isinstance(given, Mapping):
        entries = [({name: path}, name, path) for name, path in given.items()]
    else:
        texts = [given] if isinstance(given, str) or not isinstance(given, Sequence) else given
        entries = [(text, *str(text).partition("=")[::2]) for text in texts]
    masks: dict[str, Path] = {}
    for found, name, path in entries:
        if not (isinstance(name, str) and name.strip() and isinstance(path, str | Path) and path):
            raise SettingError(
                f"regions: found {show(found)}, expected a name and a mask file such as "
                f"hand=hand.mrc{_say_sphere(str(found))}"
            )
        if sphere := _say_sphere(str(path)):
            raise SettingError(
                f"regions: found {show(str(path))} for {name}, expected a mask file{sphere}"
            )
        if name.strip() in masks:
            raise SettingError(
                f"regions: the name {name.strip()} is given twice; expected one name per region"
            )
        masks[name.strip()] = Path(path)
    return masks


def _say_sphere(text: str) -> str:
    """Say how a sphere becomes a mask, where one was given as `classify --focus` takes it."""
    if not SPHERE.fullmatch(text):
        return ""
    return f". Of a sphere: cryofocus mask sphere {text} --like MAP.mrc -o NAME.mrc"


def read_covary_inputs(
    sources: Sequence[Path], regions: Mapping[str, Path], settings: CovarySettings
) -> CovaryInputs:
    """Read runs or a particle table, and the regions.

    Raises:
        InputError: When a source or mask cannot be used, or they lie on different grids.
    """
    if not sources:
        raise SettingError(
            "sources: found none, expected run directories of classify or a particle table."
        )
    conditions = read_conditions(settings.given, [*regions])
    folders = [source for source in sources if source.is_dir()]
    if folders and len(folders) < len(sources):
        raise SettingError(
            f"{', '.join(map(str, sources))}: run directories and particle tables together; "
            "expected one or the other. Give the runs; they name their particles."
        )
    if not folders:
        return replace(_from_particles(sources, regions, settings), conditions=conditions)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SettingError("runs: one is given twice; expected independent ones. Give each once.")
    runs = tuple(_read_run(folder, settings) for folder in folders)
    first = runs[0]
    chosen = read_regions(regions, first.job.box, first.job.pixel_size_angstrom)
    if shares := _share_particles(runs):
        independent = find_independent([_candidate(run) for run in runs])
        runs = tuple(
            replace(run, counts=counts) for run, counts in zip(runs, independent, strict=True)
        )
    _warn_about_runs(runs)
    return CovaryInputs(runs, first.particles, chosen, shares, conditions)


def read_conditions(given: Sequence[str], names: Sequence[str]) -> tuple[Condition, ...]:
    """Read what is given of regions: `hand`, `hand=present` or `hand=absent`.

    Args:
        given: What the user asks for.
        names: Of all regions.

    Returns:
        Each once; of a region alone both conditions.

    Raises:
        SettingError: For what is no region.
    """
    found: dict[Condition, None] = {}
    for text in given:
        # A name may hold the sign itself.
        name, _, state = (text, "", "") if text in names else text.rpartition("=")
        if name not in names or state not in ("", *STATES):
            raise SettingError(
                f"given: found {text!r}, expected the name of a region ({', '.join(names)}), or "
                "NAME=present or NAME=absent. Name a region as --regions does."
            )
        for one in (state,) if state else STATES:
            found[Condition(names.index(name), is_present=one == STATES[0])] = None
    return tuple(found)


def read_regions(
    paths: Mapping[str, Path], box: int, voxel_size_angstrom: float
) -> tuple[Region, ...]:
    """Read masks on a grid and check that they can be told apart.

    Raises:
        InputError: When a mask cannot be read, lies on another grid, or is no mask.
        RegionError: For fewer than two regions, an empty one, or two that overlap entirely.
    """
    regions = tuple(
        Region.from_mask(name, FocusMask.from_file(path, box, voxel_size_angstrom).data)
        for name, path in paths.items()
    )
    require_distinct(regions)
    for number, first in enumerate(regions):
        for second in regions[number + 1 :]:
            if (share := shared_part(first, second)) > NOTICED_OVERLAP:
                logger.warning(
                    "regions %s and %s share %.0f %% of the smaller one; the shared voxels count "
                    "for neither. Cut the masks apart.",
                    first.name,
                    second.name,
                    100 * share,
                )
    regions = separate(regions)
    require_distinct(regions)
    return regions


def _from_particles(
    sources: Sequence[Path], regions: Mapping[str, Path], settings: CovarySettings
) -> CovaryInputs:
    if len(sources) > 1:
        raise SettingError(
            f"{', '.join(map(str, sources))}: found {len(sources)} files, expected one particle "
            "table, or run directories. Join the tables first."
        )
    for name in ("perfect", "contour"):
        if getattr(settings, name) is not None:
            raise SettingError(
                f"{name}: means something for class maps only, but a particle table was given. "
                "Leave it out, or give run directories."
            )
    particles = ParticleSet.read(
        sources[0], datadir=settings.datadir, supplement=settings.supplement
    )
    chosen = read_regions(regions, particles.box, particles.pixel_size_angstrom)
    return CovaryInputs((), particles, chosen, shares_particles=True)


def _read_run(folder: Path, settings: CovarySettings) -> Run:
    directory = RunDirectory.open(folder)
    job = directory.read_job()
    posteriors = directory.read_posteriors(job.n_particles).astype(np.float64)
    request = read_config(directory.config)
    given = settings.supplement != Supplement()
    try:
        particles = ParticleSet.read(
            request.particles,
            datadir=settings.datadir or request.datadir,
            supplement=settings.supplement if given else request.supplement,
        )
    except InputError as error:
        logger.warning(
            "%s: its particles cannot be read, so that only its maps are used: %s", folder, error
        )
        particles = None
    invert, origin = request.settings.invert, Origin.of(request, job)
    return Run(str(folder), directory, job, posteriors, particles, invert, origin)


def _candidate(run: Run) -> Candidate:
    return Candidate(run.name, run.directory.path, run.origin, run.posteriors)


def _share_particles(runs: Sequence[Run]) -> bool:
    """Whether all runs classified the same images in the same order."""
    first = _images(runs[0])
    same = all(np.array_equal(_images(run), first) for run in runs[1:])
    if not same:
        logger.warning(
            "the runs do not share their particles, so that their classes cannot be matched: "
            "each counts by itself, and single particles and units are taken from the first run. "
            "Classify one set with several seeds to compare classes over runs."
        )
    return same


def _images(run: Run) -> np.ndarray:
    """Name the images of a run, by file and place; by number where they cannot be read."""
    if run.particles is None:
        return np.array([str(run.job.n_particles)])
    stacks = np.array([str(path.resolve()) for path in run.particles.stack_paths])
    places = run.particles.slice_of_particle.astype(str)
    return np.char.add(np.char.add(places, "@"), stacks[run.particles.stack_of_particle])


def _warn_about_runs(runs: Sequence[Run]) -> None:
    n_runs = sum(run.counts for run in runs)
    if n_runs < ENOUGH_RUNS:
        logger.warning(
            "%s of classify: correlations over classes are those of %s. Give at least %d runs "
            "with different --seed, since a run directory holds the maps of its best start only.",
            "one run" if n_runs == 1 else f"{n_runs} runs",
            "this one result" if n_runs == 1 else "these few results",
            ENOUGH_RUNS,
        )
    for run in runs:
        if run.job.n_classes < 2:
            logger.warning(
                "%s: has a single class, over which nothing can vary. Ask for more classes.",
                run.name,
            )
