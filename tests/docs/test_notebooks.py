"""The notebooks of the documentation run from their first cell to their last, on small data."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import cryofocus
from cryofocus.api import classification
from small_phantom import every_tenth_bead

ROOT = Path(__file__).parents[2]
BOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))
SMALL = {"particles": 160, "box": 24, "pixel_size_angstrom": 17.5, "snr": 1.0, "first_snr": 20.0}


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate few small images, and draw neither page nor picture."""
    humanoid, classify = cryofocus.simulate_humanoid, cryofocus.classify

    def simulate(output: str, settings: Any) -> Any:
        return humanoid(output, settings.model_copy(update=SMALL), phantom=every_tenth_bead())

    def briefly(*given: Any, **options: Any) -> Any:
        return classify(*given, **{**options, "runs": 2, "cycles": 5})

    monkeypatch.setattr(cryofocus, "simulate_humanoid", simulate)
    monkeypatch.setattr(cryofocus, "classify", briefly)
    monkeypatch.setattr(classification, "write_report", lambda run: None)
    monkeypatch.setattr(Figure, "savefig", lambda figure, target, **_: target.write(b""))


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells in order, in one place, end without an error."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, cell in enumerate(json.loads(book.read_text("utf-8"))["cells"], 1):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{book.name}, cell {number}", "exec"), names)


def test_notebooks_become_pages() -> None:
    """A page of the site has the texts, the code and the pictures of its notebook."""
    place = ROOT / "scripts/site_hooks.py"
    spec = importlib.util.spec_from_file_location("site_hooks", place)
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    assert len(BOOKS) == 2
    for book in BOOKS:
        page = hooks.page_of_notebook(book)
        assert page.startswith("# ")
        assert "```python\nimport cryofocus" in page
        assert "```text\n" in page
    assert "data:image/png;base64," in hooks.page_of_notebook(BOOKS[0])
