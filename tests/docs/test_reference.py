"""The reference page of the commands is the one that the commands give."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def load_script(name: str) -> ModuleType:
    """Import a script that is no part of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_current() -> None:
    """Every command, argument and option stands in docs/reference/cli.md as it is."""
    script = load_script("document_commands")
    assert script.PAGE.read_text(encoding="utf-8") == script.render(), (
        "run python scripts/document_commands.py"
    )
