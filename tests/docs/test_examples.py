"""The Python examples in the documentation give what they say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    path
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_on_page(page: Path) -> None:
    """Every example of a page runs, in order, and prints what the page shows."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for block in FENCE.finditer(text):
        first_line = text.count("\n", 0, block.start(1))
        parsed = doctest.DocTestParser().get_doctest(
            block[1], names, page.name, str(page), first_line
        )
        runner.run(parsed, out=report.append, clear_globs=False)
        names.update(parsed.globs)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_users_import_from_the_package_itself() -> None:
    """Pages for users take every name from cryofocus, not from the room it happens to live in."""
    pages = ["README.md", "docs/tutorial.md", "docs/evaluation.md", "docs/reference"]
    pages += ["docs/troubleshooting.md", "docs/how-to"]
    searched = [page for name in pages for page in (ROOT / name).rglob("*.md")]
    searched += [ROOT / name for name in pages if name.endswith(".md")]
    deep = re.compile(r"(?:from|import) (cryofocus\.(?!errors)[\w.]+)")
    found = {str(p.relative_to(ROOT)): deep.findall(p.read_text("utf-8")) for p in searched}
    # What a format says about rotations is about the inside.
    assert {page for page, homes in found.items() if homes} == {"docs/reference/formats.md"}


def test_conventions_have_examples() -> None:
    """The page that fixes signs and axes is among the pages that are run."""
    assert ROOT / "docs" / "conventions.md" in PAGES
