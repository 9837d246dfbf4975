"""The reference pages are those that the code gives, and every page is in the site."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load_script(name: str) -> ModuleType:
    """Import a script that is no part of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["document_commands", "document_api", "document_columns"])
def test_reference_is_current(name: str) -> None:
    """Every command, argument, option and public name stands in docs/reference as it is."""
    script = load_script(name)
    assert script.PAGE.read_text(encoding="utf-8") == script.render(), (
        f"run python scripts/{name}.py"
    )


def test_every_page_is_in_the_site() -> None:
    """The pages of docs are in the navigation of the site, decisions by their list."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    decisions = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    lacking = [
        str(page)
        for page in pages
        if f": {page}\n" not in navigation
        and not (page.parent.name == "decisions" and f"({page.name})" in decisions)
    ]
    assert lacking == []
