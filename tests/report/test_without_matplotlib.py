"""Pages are whole where matplotlib is not installed, and what needs it says so."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cryofocus
from cryofocus.api.analyses import fsc
from cryofocus.api.classification import open_run
from cryofocus.data.volume import write_volume
from cryofocus.errors import InputError
from cryofocus.report.figures.plotting import can_plot, require_plots
from cryofocus.report.run.page import write_report
from cryofocus.workflows.run.directory import RunDirectory


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that has no matplotlib."""
    find = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> object:
        return None if name == "matplotlib" else find(name, package)

    monkeypatch.setattr("cryofocus.report.figures.plotting.find_spec", find_others)
    for name in [one for one in sys.modules if one.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)  # whoever imports it fails
    for name in [one for one in sys.modules if one.startswith("cryofocus.report.figures.")]:
        if not name.endswith("plotting"):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("without_matplotlib")
def test_the_page_of_a_run(build_run: Callable[..., RunDirectory]) -> None:
    """Pictures of classes, slices and charts are there; figures name what to install."""
    directory = build_run(n_classes=3)
    page = write_report(directory.path).read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="data:image/png;base64,[^"]{500,}" alt="(\w+)', page)
    assert sorted(pictures) == ["Surface"] * 3 + ["Where"] * 3
    # Of the consensus and of every class, differences apart, and their colours.
    assert page.count('src="data:image/svg+xml') == 2 + 2 * 3
    assert not can_plot()
    with pytest.raises(InputError, match=r"^plot_classes: needs matplotlib.*pip install .*plots"):
        open_run(directory.path).plot_classes()


@pytest.mark.usefixtures("without_matplotlib")
def test_the_page_of_an_analysis(tmp_path: Path) -> None:
    """The page has its charts; the same charts as PNG files are left out."""
    noise = np.random.default_rng(1).normal(size=(2, 8, 8, 8)).astype(np.float32)
    halves = [tmp_path / "half1.mrc", tmp_path / "half2.mrc"]
    for path, values in zip(halves, noise, strict=True):
        write_volume(path, values, 4.0)
    made = fsc(*halves, tmp_path / "resolution", cryofocus.FscSettings())
    assert '<div class="chart"' in (made.folder / "report.html").read_text(encoding="utf-8")
    assert list(made.folder.glob("*.png")) == []


@pytest.mark.usefixtures("without_matplotlib")
def test_an_option_that_needs_it() -> None:
    """It is refused by name, with a command to install it."""
    with pytest.raises(InputError, match=r"^--figure: needs matplotlib, which is not installed"):
        require_plots("--figure")
