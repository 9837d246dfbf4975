"""What tests of every room share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cryofocus.errors import on_the_command_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Software rendering, and no sandbox since tests may run as root; only our own pages are opened.
BROWSER_OPTIONS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(autouse=True)
def _words_of_the_command_line(request: pytest.FixtureRequest) -> Iterator[None]:
    """Messages name options, as they are written; tests of the Python interface hear arguments."""
    if "api" in request.path.parent.parts:
        yield
        return
    with on_the_command_line():
        yield


@pytest.fixture
def shared_data() -> Path:
    """Files that other programs wrote; kept beside the repository, not in it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no files of other programs at {folder}")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of the machine, without a window."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser on PATH: {', '.join(BROWSERS)}")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(BROWSER_OPTIONS))
        yield browser
        browser.close()
