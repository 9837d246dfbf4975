"""FSC curves in the XML that the EMDB takes with a deposition."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from cryofocus.workflows.run.writing import write_text

X_AXIS, Y_AXIS = "Resolution (A-1)", "Correlation Coefficient"


def write_fsc_xml(
    path: Path, title: str, fsc: Float[np.ndarray, " n_shells"], extent_angstrom: float
) -> None:
    """Write a curve: one coordinate per shell, the spatial frequency in 1/Å.

    Args:
        path: Where to; replaced atomically.
        title: What the curve is.
        fsc: By shell, the first at frequency zero.
        extent_angstrom: Edge of the map.

    Raises:
        OutputError: Disk full, no permission.
    """
    curve = ElementTree.Element("fsc", title=title, xaxis=X_AXIS, yaxis=Y_AXIS)
    for shell, value in enumerate(fsc.tolist()):
        coordinate = ElementTree.SubElement(curve, "coordinate")
        ElementTree.SubElement(coordinate, "x").text = f"{shell / extent_angstrom:.6f}"
        ElementTree.SubElement(coordinate, "y").text = f"{value:.6f}"
    ElementTree.indent(curve)
    declared = '<?xml version="1.0" encoding="UTF-8"?>\n'
    write_text(path, declared + ElementTree.tostring(curve, encoding="unicode") + "\n")
