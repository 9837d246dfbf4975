"""The site's own style, laid over that of its theme."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browsing import NARROW, watched_tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STYLE = Path(__file__).parents[2] / "docs/assets/site.css"
TABLE = """<div class="wy-table-responsive"><table class="docutils">
<tr><td>find a small ligand after global classes, with poses refined, and dock its model</td>
<td><a href="x">how to see which regions vary together</a></td></tr></table></div>"""


@pytest.mark.slow
def test_a_row_is_seen_whole_on_a_telephone(browser: Browser, tmp_path: Path) -> None:
    """Tables of words wrap, so that what a row leads to does not stand outside the window."""
    themes = pytest.importorskip("mkdocs.themes", reason="mkdocs is not installed")
    theme = files(themes) / "readthedocs/css/theme.css"
    styles = theme.read_text(encoding="utf-8") + STYLE.read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    text = f"<!DOCTYPE html><style>{styles}</style><div class='rst-content'>{TABLE}</div>"
    page.write_text(text, encoding="utf-8")
    with watched_tab(browser, {"width": NARROW, "height": 800}) as (tab, _):
        tab.goto(page.as_uri())
        right = tab.evaluate("document.querySelector('a').getBoundingClientRect().right")
    assert right <= NARROW
