"""Write the list of columns in docs/reference/formats.md from the list that readers use.

Usage: ``python scripts/document_columns.py``. A test fails while the page is out of date.
"""

from __future__ import annotations

from pathlib import Path

from cryofocus.data.foreign.column_uses import render_uses

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "formats.md"
START, END = "<!-- columns: written by scripts/document_columns.py -->", "<!-- end of columns -->"


def render() -> str:
    """Return the whole page with the list as it is now."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{render_uses()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
