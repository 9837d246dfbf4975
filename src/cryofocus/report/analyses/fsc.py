"""The page of `fsc`: the curves, and the resolution by direction and from place to place."""

from __future__ import annotations

from pathlib import Path

from cryofocus.maths.shells import FSC_HALF, FSC_LIMIT
from cryofocus.report.analyses.fsc_charts import (
    chart_cones,
    chart_curves,
    chart_directions,
)
from cryofocus.report.analyses.local_resolution import PICTURE
from cryofocus.report.analyses.page import Analysis, ChartRow, list_files, present_pictures
from cryofocus.workflows import fsc
from cryofocus.workflows.fsc import StoredCurves
from cryofocus.workflows.fsc_directions import CONES, DIRECTIONS, ConeRow, DirectionRow

BY_DIRECTION = (
    "By direction: the half sphere with z in the middle, dark where resolution is poor. Within "
    "cones: the correlation about every direction."
)
FROM_PLACE_TO_PLACE = (
    "From place to place: the local resolution on planes through the middle of the mask, or of "
    "the molecule without one, and nothing outside of it. Light where it is good. The line is the "
    "outline of the molecule."
)
FILES = (
    (fsc.CURVES, "Fourier shell correlations, named as in RELION's postprocess.star"),
    (fsc.XML, "the curve as the EMDB wants it, corrected if there is a mask"),
    (DIRECTIONS, "resolution by direction"),
    (CONES, "how the curves of all directions spread"),
    (fsc.LOCAL, "local resolution"),
    (PICTURE, "the local resolution on three planes"),
    (fsc.FILTERED, "the map at the resolution that each part has"),
    ("*.png", "the charts as pictures"),
)


def read_resolution(folder: Path) -> Analysis:
    """Read a result of `fsc` for a page.

    Raises:
        FormatError: When a table of it is damaged.
    """
    stored = StoredCurves.read(folder)
    rows = [ChartRow((chart_curves(stored),))]
    # Results of earlier versions have no curves by direction.
    if (folder / DIRECTIONS).is_file() and (folder / CONES).is_file():
        charts = (
            chart_directions(DirectionRow.read(folder / DIRECTIONS)),
            chart_cones(ConeRow.read(folder / CONES)),
        )
        rows.append(ChartRow(charts, BY_DIRECTION))
    shown = [(PICTURE, "Local resolution on three planes", FROM_PLACE_TO_PLACE)]
    rows += [ChartRow(picture=one) for one in present_pictures(folder, shown)]
    masked = stored.curves.masked is not None
    verdict = "corrected for the mask" if masked else "without a mask"
    return Analysis(
        folder=folder,
        title="Resolution",
        headline=f"Resolution {stored.say_resolution(FSC_LIMIT)}",
        verdict=f"From the half maps, {verdict}. {_begin(stored.say_resolution(FSC_HALF))}.",
        charts=(*rows,),
        files=list_files(folder, FILES),
    )


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
