"""Write docs/reference/api.md, which names every public object; MkDocs fills in what they say.

Usage: ``python scripts/document_api.py``. A test fails while the page is out of date.
"""

from __future__ import annotations

from pathlib import Path

import cryofocus

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
HEAD = """# Python

Every name below is imported from `cryofocus`. Commands are functions of the same name. `classify`
takes the options of its command as keywords; the others take a settings object. This page is
written by `scripts/document_api.py` and filled from the code when the site is built:
`mkdocs serve` in a checkout shows it, and so does `help(cryofocus.NAME)` in Python.
"""
ROOMS = {
    "api": "Classification",
    "workflows": "Other commands",
    "report": "Pages and figures",
    "inference": "The classifier",
    "data": "Particles, masks and images",
    "maps": "Maps",
}
OTHERS = "Everything else"


def room_of(name: str) -> str:
    """Return the heading under which a public object stands."""
    return ROOMS.get(getattr(cryofocus, name).__module__.split(".")[1], OTHERS)


def render() -> str:
    """Return the whole page."""
    names = {title: [] for title in (*ROOMS.values(), OTHERS)}
    for name in sorted(set(cryofocus.__all__) - {"__version__"}):
        names[room_of(name)].append(name)
    sections = [
        "\n".join([f"## {title}\n", *(f"::: cryofocus.{name}\n" for name in members)])
        for title, members in names.items()
        if members
    ]
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
