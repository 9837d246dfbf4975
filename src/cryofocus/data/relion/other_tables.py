"""STAR files that are given where a table of particle images is meant, told by their labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryofocus.data.labels import IMAGE_LABEL
from cryofocus.data.star.document import StarDocument

ONE_IMAGE_EACH = (
    "cryofocus takes images of single particles, one per particle. Give a table of such images."
)
EXPORT = "Export its particles as RELION STAR and give that."
REFINE = "Extract the particles and refine them first, then give the table of that refinement."
USUAL = "a particle STAR file, such as run_data.star"
# Where the labels of a table stand.
HEADER_BYTES = 1 << 16


class _Kind(NamedTuple):
    """A kind of file, by any of the labels or the beginnings of block names that it alone has."""

    name: str
    labels: tuple[str, ...]
    blocks: tuple[str, ...] = ()
    advice: str = USUAL


# In this order: later ones have labels that earlier ones may have as well.
KINDS = (
    _Kind(
        "an optimisation set of RELION's subtomogram averaging",
        ("rlnTomoParticlesFile", "rlnTomoTomogramsFile"),
        advice=ONE_IMAGE_EACH,
    ),
    _Kind("a motive list of STOPGAP", (), ("stopgap_",), ONE_IMAGE_EACH),
    _Kind(
        "a table of tomograms, tilt series or subtomograms",
        (
            *("rlnTomoName", "rlnTomoTiltSeriesStarFile", "rlnTomoNominalStageTiltAngle"),
            *("rlnTomoParticleName", "rlnCenteredCoordinateZAngst"),
        ),
        advice=ONE_IMAGE_EACH,
    ),
    _Kind("an optimiser file of RELION", ("rlnExperimentalDataStarFile",)),
    _Kind("the settings of a RELION job", ("rlnJobTypeLabel", "rlnJobOptionVariable")),
    _Kind("a model file of RELION", ("rlnReferenceDimensionality",)),
    _Kind("a table of class averages", ("rlnReferenceImage",)),
    _Kind("a sampling file of RELION", ("rlnHealpixOrder", "rlnIs3DSampling")),
    _Kind("a list of RELION jobs", ("rlnPipeLineProcessName", "rlnPipeLineJobCounter")),
    _Kind("a post-processing result of RELION", ("rlnFinalResolution", "rlnUnfilteredMapHalf1")),
    _Kind("a selection of classes", ("rlnSelected",)),
    _Kind("a table of movies", ("rlnMicrographMovieName",), advice=REFINE),
    _Kind(
        "a table of picked places",
        ("rlnMicrographCoordinates", "rlnCoordinateX"),
        advice=REFINE,
    ),
    _Kind("a table of micrographs", ("rlnMicrographName",), advice=REFINE),
    _Kind("a table of Xmipp", ("image", "angleRot", "enabled"), advice=EXPORT),
)
BEFORE_PARTICLES = ("general", "optics")
POSE = "rlnAngleRot"
DATA_FILE = "rlnExperimentalDataStarFile"


def name_other_table(document: StarDocument) -> str:
    """Say what a STAR file without particle images is and what to give, in sentences."""
    labels = {label for block in document.blocks for label in block.labels}
    names = [block.name for block in document.blocks]
    for kind in KINDS:
        if kind.advice == REFINE and POSE in labels:
            continue  # of refined particles, their images called otherwise
        if labels.intersection(kind.labels) or any(one.startswith(kind.blocks) for one in names):
            advice = kind.advice
            if advice == USUAL:
                advice = _name_beside(document)
            return f"It is {kind.name}. {advice}"
    beside = _name_beside(document)
    if all(name.lower() in BEFORE_PARTICLES for name in names):
        return f"After {document.blocks[-1].title} it ends; it may be cut short. {beside}"
    return beside


def _name_beside(document: StarDocument) -> str:
    """Name the table that is meant, if one lies beside or is named inside."""
    named = _named_inside(document) or _beside(document.path)
    return f"Give {USUAL}." if named is None else f"Give the table of particles: {named}"


def _named_inside(document: StarDocument) -> Path | None:
    """Return the table that an optimiser file names, if it is there."""
    block = document.block_with(DATA_FILE)
    if block is None:
        return None
    (name,) = document.texts(block, [DATA_FILE])[DATA_FILE][:1] or [""]
    # Names count from the project's folder.
    places = (folder / name for folder in document.path.absolute().parents)
    return next((place for place in places if name and place.is_file()), None)


def _beside(path: Path) -> Path | None:
    """Return the last table of particles that a job wrote into a folder."""
    folder = path.parent
    last = [folder / "run_data.star", *sorted(folder.glob("*_data.star"), reverse=True)]
    tables = (*last, folder / "particles.star", folder / "shiny.star")
    return next((one for one in tables if one != path and _names_images(one)), None)


def _names_images(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return IMAGE_LABEL.encode() in file.read(HEADER_BYTES)
    except OSError:
        return False
