"""Write docs/reference/licences.md: under which licences is what `pip install` brings.

Usage: ``python scripts/document_licences.py``, in an environment with the versions of
constraints.txt. A test fails while the page is out of date.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "licences.md"
HEAD = """# Licences

cryofocus is under the BSD 3-Clause licence. This is what `pip install` brings with it, in the
versions of `constraints.txt`, by the libraries' own metadata (`scripts/document_licences.py`).

| library | licence |
| --- | --- |
"""
PACKAGED = "| plotly.js, a file of the package, for its pages | MIT |\n"
TAIL = """
Of optional extras, `cuda` brings NVIDIA's libraries, which have licences of their own.
"""
# Texts that classifiers and old metadata use, in SPDX's words.
SPDX = {
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "BSD License": "BSD",
    "Python Software Foundation License": "PSF-2.0",
    "PSF": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Apache Software License": "Apache-2.0",
    "new BSD License": "BSD-3-Clause",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
}
NAME = re.compile(r"[A-Za-z0-9._-]+")


def licence_of(found: Distribution) -> str:
    """Say the licence of a library: its expression, else its classifiers, else its own words."""
    metadata = found.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rsplit(" :: ", 1)[-1]
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    texts = classifiers or [str(metadata.get("License", "")).strip().split("\n")[0]]
    return ", ".join(sorted({SPDX.get(text, text) for text in texts}))


def brought() -> dict[str, Distribution]:
    """Find the declared dependencies and what they need themselves, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting, found = list(project["dependencies"]), {}
    while waiting:
        requirement = waiting.pop()
        name = NAME.match(requirement)
        if name is None or ";" in requirement:  # for other systems, or an extra's
            continue
        library = distribution(name[0])
        if library.name.lower() not in found:
            found[library.name.lower()] = library
            waiting += library.requires or []
    return found


def render() -> str:
    """Compose the page."""
    rows = "".join(
        f"| {library.name} | {licence_of(library)} |\n" for _, library in sorted(brought().items())
    )
    return HEAD + rows + PACKAGED + TAIL


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
