"""What the report shows of the maps of a run, read one map at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofocus.arrays import Volume
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError
from cryofocus.maps.difference import regression_residual
from cryofocus.maths.fourier import resize_volume
from cryofocus.report.drawing.slices import Planes, View, choose_view, cut
from cryofocus.report.drawing.surfaces import Cube, Frame, Point, crop_to_view, frame_of_view
from cryofocus.report.run.results import RunResults

# A panel has fewer pixels than this; larger maps would only cost memory and time.
MAX_DRAWN_BOX = 256


@dataclass(frozen=True, eq=False)
class ShownMap:
    """Planes through the focus, and the density around the particle on a coarser grid."""

    planes: Planes
    cube: Cube


@dataclass(frozen=True, eq=False)
class ShownMaps:
    """All maps of a run.

    Attributes:
        view: Where planes cut, in voxels of the drawn maps.
        voxel_size_angstrom: Of the drawn maps.
        origin_angstrom: Of the drawn maps: x, y, z of voxel (0, 0, 0).
        frame: Where the cubes lie.
        consensus: Map from all particles.
        mask: Region in focus.
        classes: Maps by class number; classes without a map are missing, and all are where no
            classes were found.
        differences: Differences by class number, to the consensus scaled to the class in every
            shell.
        mean: Mean of the whole consensus map.
        deviation: Its standard deviation.
        proposed: Region that would hold all that differs, where the one in focus cuts it.
    """

    view: View
    voxel_size_angstrom: float
    origin_angstrom: Point
    frame: Frame
    consensus: ShownMap
    mask: ShownMap
    classes: dict[int, ShownMap]
    differences: dict[int, ShownMap]
    mean: float
    deviation: float
    proposed: ShownMap | None = None


def read_maps(results: RunResults) -> ShownMaps:
    """Read what is shown of all maps.

    At most three whole maps are in memory.

    Raises:
        InputError: When consensus or mask are missing, or a map is damaged or on another grid than
            the particles.
        FormatError: When consensus or mask are missing, or a map is damaged or on another grid
            than the particles.
    """
    directory, box = results.directory, results.job.box
    consensus, origin = _read_map(directory.consensus, box)
    mask, _ = _read_map(directory.focus_mask, box)
    view = choose_view(consensus, mask)
    proposed = None
    if directory.proposed_region.is_file():
        proposed = _show(_read_map(directory.proposed_region, box)[0], view)
    voxel = results.job.pixel_size_angstrom * box / len(consensus)
    frame = frame_of_view(len(consensus), view, voxel, origin)
    classes, differences = {}, {}
    for entry in results.classes:
        path = directory.class_map(entry.class_number)
        if results.job.classes_found and entry.weight and path.is_file():
            volume, _ = _read_map(path, box)
            classes[entry.class_number] = _show(volume, view)
            difference = regression_residual(volume, consensus)
            differences[entry.class_number] = _show(difference, view)
    return ShownMaps(
        view=view,
        voxel_size_angstrom=voxel,
        origin_angstrom=origin,
        frame=frame,
        consensus=_show(consensus, view),
        mask=_show(mask, view),
        classes=classes,
        differences=differences,
        mean=float(consensus.mean(dtype="f8")),
        deviation=float(consensus.std(dtype="f8")),
        proposed=proposed,
    )


def _show(volume: Volume, view: View) -> ShownMap:
    return ShownMap(cut(volume, view), crop_to_view(volume, view))


def _read_map(path: Path, box: int) -> tuple[Volume, Point]:
    """Read a map at the size it is drawn at, and where its first voxel lies."""
    volume = read_volume(path)
    if volume.data.shape != (box, box, box):
        raise FormatError(
            f"{path}: {volume.data.shape} voxels, expected {box} on every axis as job.json says. "
            "The file was replaced; run the classification again with --overwrite."
        )
    drawn = resize_volume(volume.data, MAX_DRAWN_BOX) if box > MAX_DRAWN_BOX else volume.data
    return drawn, volume.origin_angstrom
