"""What tests of pages do in a browser, whichever page it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

NARROW = 400
"""Width of a small window."""


@contextmanager
def watched_tab(browser: Browser, window: ViewportSize) -> Iterator[tuple[Page, list[str]]]:
    """A tab, and what goes wrong in it: messages, errors, calls of the network."""
    page, faults = browser.new_page(viewport=window), []
    page.set_default_timeout(120_000)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            faults.append(request.url)
            if not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))
            else None
        ),
    )
    yield page, faults
    page.close()


def wait_until(page: Page, expression: str) -> None:
    """Wait for something to become true; pages forbid what the driver's own way would do."""
    for _ in range(2400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never came true: {expression}")


def width_of(page: Page) -> int:
    """How wide the content is, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


def list_complaints(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds wrong: the rule, and the first element that breaks it."""
    folder = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    if not page.evaluate("'axe' in window"):
        page.evaluate((Path(folder.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]
