"""Run directories in napari: `napari RUN` shows consensus, focus mask and classes as layers.

napari finds this through `napari.yaml`, and is not needed for it. What is returned is napari's
layer data: array, look, kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cryofocus.api.classification import Classification, open_run
from cryofocus.data.volume import DensityMap
from cryofocus.errors import CryofocusError
from cryofocus.report.drawing.slices import contour_level
from cryofocus.report.drawing.style import CONSENSUS_COLOUR, MASK_COLOUR, class_colour

Layer = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[Layer]]


def choose_reader(path: str | Sequence[str]) -> Reader | None:
    """Give the reader of a path, if it is the directory of a finished run.

    Args:
        path: As napari asks; a list means several at once, which is none.
    """
    if not isinstance(path, str):
        return None
    try:
        open_run(path)
    except CryofocusError:
        return None
    return read_run


def read_run(path: str | Sequence[str]) -> list[Layer]:
    """Read the maps of a run as layers, in Å in the map's frame.

    Raises:
        FormatError: When a map is missing or damaged.
    """
    return list(_layers(open_run(str(path))))


def _layers(run: Classification) -> Iterator[Layer]:
    level = contour_level(run.consensus.data)
    yield _image(run.consensus, "consensus", CONSENSUS_COLOUR, level, is_shown=False)
    yield _image(run.focus_mask, "focus mask", MASK_COLOUR, 0.5, is_shown=True)
    for number, (volume, entry) in enumerate(zip(run.maps, run.classes, strict=True), start=1):
        name = f"class {number}, {100 * entry.weight:.0f} %"
        yield _image(volume, name, class_colour(number), level, is_shown=entry.weight > 0)


def _image(volume: DensityMap, name: str, colour: str, level: float, *, is_shown: bool) -> Layer:
    look = {
        "name": name,
        "scale": (volume.voxel_size_angstrom,) * 3,
        # Axes are z, y, x; the origin is x, y, z.
        "translate": tuple(reversed(volume.origin_angstrom)),
        "colormap": [[0, 0, 0, 0], _rgba(colour)],
        "blending": "translucent_no_depth",
        "rendering": "iso",
        "iso_threshold": level,
        "visible": is_shown,
    }
    return volume.data, look, "image"


def _rgba(colour: str) -> list[float]:
    return [*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)), 1.0]
