"""The page in a real browser: it opens from disk without complaints, and its viewer works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from cryofocus.report.drawing import surfaces
from cryofocus.report.run import planes
from cryofocus.report.run.page import write_report
from cryofocus.workflows.run.directory import RunDirectory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

# A browser that renders in software is slow on a busy machine.
pytestmark = pytest.mark.slow

Build = Callable[..., RunDirectory]

SCENE = "document.getElementById('surface-scene')"
EYE = f"{SCENE}._fullLayout.scene.camera.eye"
TRACES = f"""() => {SCENE}.data
    .map((trace) => ({{ name: trace.name, x: trace.x.length, opacity: trace.opacity }}))"""
# Of the picture that the viewer offers to save.
COUNT_BLUE = """() => Plotly.toImage("surface-scene", { format: "png", width: 200, height: 200 })
    .then((address) => new Promise((done) => {
        const image = new Image();
        image.onload = () => {
            const canvas = new OffscreenCanvas(200, 200).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const { data } = canvas.getImageData(0, 0, 200, 200);
            done(data.filter((_, i) => i % 4 === 2 && data[i] > data[i - 2] + 60).length);
        };
        image.src = address;
    }))"""
HOSTILE = """ <script>document.title = "run"</script> "onload='x' """


def wait_until(page: Page, expression: str) -> None:
    """Wait for something to become true; pages forbid what the driver's own way would do."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came true: {expression}")


@pytest.fixture
def opened(build_run: Build, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that opens the page of a run and collects what goes wrong in it."""
    monkeypatch.setattr(planes, "MAX_DOTS_PER_INCH", 30.0)
    monkeypatch.setattr(surfaces, "MAX_SHOWN_EDGE", 16)
    pages = []

    def open_page(**plan: Any) -> tuple[Page, list[str]]:
        page, faults = browser.new_page(viewport={"width": 1366, "height": 768}), []
        pages.append(page)
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
                if request.url.split(":")[0] not in {"file", "data", "blob"}
                else None
            ),
        )
        page.goto(write_report(build_run(**plan).path).as_uri())
        wait_until(page, f"{SCENE}.data !== undefined")
        return page, faults

    yield open_page
    for page in pages:
        page.close()


def test_viewer_follows_its_controls(opened: Any) -> None:
    """Surfaces are painted; boxes lay maps over each other, sliders change surfaces and opacity,
    buttons turn the view; figures are there, nothing overflows, is fetched or complained of."""
    page, faults = opened(n_classes=3)
    shown = page.evaluate(TRACES)
    assert page.evaluate(COUNT_BLUE) > 400
    assert [trace["name"] for trace in shown] == ["Class 1", "Focus mask"]
    page.locator("[data-scale=density]").fill("6")
    fewer = page.evaluate(TRACES)
    assert fewer[0]["x"] < shown[0]["x"]
    assert fewer[1]["x"] == shown[1]["x"]
    page.get_by_label("Class 2", exact=True).check()
    page.get_by_label("Class 3 − consensus").check()
    page.locator("[data-opacity]").fill("40")
    names = [trace["name"] for trace in page.evaluate(TRACES)]
    assert names == ["Class 1", "Class 2", *["Class 3 − consensus"] * 2, "Focus mask"]
    assert [trace["opacity"] for trace in page.evaluate(TRACES)][:3] == [0.4, 0.4, 1]
    differences = page.evaluate(TRACES)[2]["x"]
    page.locator("[data-scale=difference]").fill("4")
    assert page.evaluate(TRACES)[2]["x"] < differences
    for name in ("Class 1", "Class 3 − consensus"):
        page.get_by_label(name, exact=True).uncheck()
    assert page.evaluate(COUNT_BLUE) == 0
    page.locator("[data-view=zy]").click()
    wait_until(page, f"{EYE}.x < -1")
    page.locator("#surface-scene").hover()
    page.mouse.down()
    page.mouse.move(500, 300, steps=3)
    page.mouse.up()
    wait_until(page, f"Math.abs({EYE}.y) > 0.05")
    turned = page.evaluate(EYE)
    page.locator("[data-scale=density]").fill("5")
    assert page.evaluate(EYE) == pytest.approx(turned)
    assert page.locator("img").evaluate_all("all => all.every((image) => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert faults == []


def test_hostile_texts_do_not_run(opened: Any) -> None:
    """Markup in names of files and in messages neither runs nor stops the page's own scripts."""
    page, faults = opened(hostile=HOSTILE, warnings=(HOSTILE,), settings=f'k: "{HOSTILE[:9]}"\n')
    assert page.title() != "run"
    assert page.evaluate(TRACES)[0]["x"] > 0
    assert faults == []
