"""Pages in a real browser: they open from disk without complaints, and the viewer works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analysis_pages import MAKERS
from browsing import NARROW, list_complaints, wait_until, watched_tab, width_of
from cryofocus.report.drawing import surfaces
from cryofocus.report.run import pictures, planes
from cryofocus.report.run.page import write_report
from cryofocus.workflows.run.directory import RunDirectory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

# A browser that renders in software is slow on a busy machine.
pytestmark = pytest.mark.slow

Build = Callable[..., RunDirectory]

SCENE = "document.getElementById('surface-scene')"
DIFFERENCE, PAINTED = "Class 3 − consensus", "Class 1 painted"
SECOND = "document.getElementById('second-scene')"
EYE = f"{SCENE}._fullLayout.scene.camera.eye"
TRACES = """(scene) => document.getElementById(scene).data
    .map((trace) => ({ name: trace.name, x: trace.x.length, opacity: trace.opacity,
                       range: trace.intensity && [Math.min(...trace.intensity),
                                                  Math.max(...trace.intensity)] }))"""
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
# A ball of radius 7 in a cube of 24 voxels, with a speck beside it; and its hole, for sign -1.
CONTOUR = """(sign) => {
    const n = 26, values = new Uint8Array(n ** 3).fill(sign > 0 ? 0 : 255);
    for (let z = 1; z < 25; z++) for (let y = 1; y < 25; y++) for (let x = 1; x < 25; x++) {
        const depth = 7.5 - Math.hypot(x - 13, y - 12, z - 11);
        const share = Math.min(Math.max(depth, 0), 1);
        values[(z * n + y) * n + x] = sign > 0 ? 255 * share : 255 * (1 - share);
    }
    values[(2 * n + 2) * n + 2] = sign > 0 ? 255 : 0;
    const frame = { low: [100, 200, 300], voxel: 2, edge: 24, dust: 3 };
    const { x, y, z, i, j, k } = contourVolume({ values, n }, 127.5, sign, frame);
    const used = [...new Set([...i, ...j, ...k])];
    const edges = new Map();
    i.forEach((a, t) => [[a, j[t]], [j[t], k[t]], [k[t], a]].forEach((edge) => {
        const key = edge.sort((one, other) => one - other).join();
        edges.set(key, (edges.get(key) ?? 0) + 1);
    }));
    const volume = i.reduce((sum, a, t) => {
        const [b, c] = [j[t], k[t]];
        return sum + (x[a] * (y[b] * z[c] - z[b] * y[c]) - y[a] * (x[b] * z[c] - z[b] * x[c])
            + z[a] * (x[b] * y[c] - y[b] * x[c])) / 6;
    }, 0);
    return { radii: used.map((v) => Math.hypot(x[v] - 124, y[v] - 222, z[v] - 320)),
             shared: [...new Set(edges.values())], volume };
}"""
# Once charts have been drawn again, if the window made them so.
HEIGHTS = """() => new Promise((done) => setTimeout(() => done(
    [...document.querySelectorAll('.chart')].map((place) => place._fullLayout.height)), 250))"""
CUT_LEGENDS = """[...document.querySelectorAll('.legend .scrollbar')]
    .filter((bar) => Number(bar.getAttribute('height')) > 0).length"""
CHARTS_ARE_DRAWN = "[...document.querySelectorAll('.chart')].every((place) => place.data)"
SHOW_SCENES = """how => {
    for (const one of document.querySelectorAll('.scene')) one.style.display = how;
}"""
# What is seen of a viewer that has been drawn, or not: its pictures, and what stands instead.
SEEN = """drawn => {
    const viewer = document.querySelector('.viewer');
    viewer.classList.toggle("drawn", drawn === 1);
    const seen = [viewer, document.querySelector('.undrawn')].map((one) => one.offsetHeight > 0);
    viewer.classList.add('drawn');
    return seen;
}"""
A4_WIDTH = 688
"""Pixels of the page between its margins."""
WINDOW: ViewportSize = {"width": 480, "height": 480}
HOSTILE = """ <script>document.title = "run"</script> "onload='x' """


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """One tab for all pages, and what goes wrong in it."""
    with watched_tab(browser, WINDOW) as watched:
        yield watched


@pytest.fixture(scope="module")
def opened(build_shared_run: Build, tab: tuple[Page, list[str]]) -> tuple[Page, list[str]]:
    """The page of a run with three classes whose names hold markup, and what went wrong in it."""
    page, _ = tab
    texts = {"hostile": HOSTILE, "warnings": (HOSTILE,), "settings": f'k: "{HOSTILE[:9]}"\n'}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planes, "MAX_PIXELS", 40)
        patch.setattr(surfaces, "MAX_SHOWN_EDGE", 16)
        patch.setattr(pictures, "N_PIXELS", 24)
        page.goto(write_report(build_shared_run(n_classes=3, **texts).path).as_uri())
    wait_until(page, f"{SCENE}.data !== undefined")
    return tab


def traces(page: Page, scene: str = "surface-scene") -> list[dict[str, Any]]:
    """What a picture holds, once it has been drawn again."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    return list(page.evaluate(TRACES, scene))


def move_to_end(page: Page, name: str) -> None:
    """Move a slider to its highest value."""
    move = "own => { own.value = own.max; own.dispatchEvent(new Event('input')); }"
    page.get_by_label(name, exact=True).evaluate(move)


def test_viewer_follows_its_controls(opened: tuple[Page, list[str]]) -> None:
    """Surfaces are drawn; boxes lay maps over each other and paint them, sliders change surfaces
    in fine steps, and opacity."""
    page, faults = opened
    shown = traces(page)
    assert page.evaluate(COUNT_BLUE) > 400
    assert [trace["name"] for trace in shown] == ["Class 1", "Focus mask"]
    slider = page.get_by_label("Level of maps")
    assert slider.evaluate("own => (own.max - own.min) / own.step") >= 100
    for name in ("Class 2", DIFFERENCE, PAINTED):
        page.get_by_label(name, exact=True).check()
    page.get_by_label("Opacity of maps").fill("40")
    drawn = traces(page)
    names = ["Class 1", "Class 2", DIFFERENCE, DIFFERENCE, PAINTED, "Focus mask"]
    assert [trace["name"] for trace in drawn] == names
    assert [trace["opacity"] for trace in drawn][:3] == [0.4, 0.4, 1]
    low, high = drawn[4]["range"]
    assert low < 0 < high
    for name in ("Level of maps", "Level of differences"):
        move_to_end(page, name)
    fewer = traces(page)
    assert all(fewer[n]["x"] < drawn[n]["x"] for n in range(5))
    assert fewer[5]["x"] == drawn[5]["x"]
    for name in ("Class 1", DIFFERENCE, PAINTED):
        page.get_by_label(name, exact=True).uncheck()
    traces(page)
    assert page.evaluate(COUNT_BLUE) == 0
    assert faults == []


def test_pictures_turn_together(opened: tuple[Page, list[str]]) -> None:
    """Buttons, keys and dragging turn one picture and the other with it."""
    page, faults = opened
    page.locator("[data-view=zy]").click()
    wait_until(page, f"{EYE}.x < -1")
    page.get_by_label("Two pictures side by side").check()
    wait_until(page, f"{SECOND}.data !== undefined")
    assert traces(page, "second-scene")[0]["name"] == "Class 2"
    page.locator("#second-scene").press("ArrowRight")
    wait_until(page, f"Math.abs({EYE}.z) > 0.05")
    turned = page.evaluate(EYE)
    assert page.evaluate(EYE.replace(SCENE, SECOND)) == pytest.approx(turned)
    page.locator("#surface-scene").hover()
    page.mouse.down()
    page.mouse.move(300, 200, steps=3)
    page.mouse.up()
    wait_until(page, f"Math.abs({EYE}.y - {turned['y']}) > 0.02")
    wait_until(page, f"{EYE}.y === {EYE.replace(SCENE, SECOND)}.y")
    assert faults == []


@pytest.mark.parametrize("sign", [1, -1])
def test_contours_are_closed_and_in_their_place(opened: tuple[Page, list[str]], sign: int) -> None:
    """The surface of a ball, or of a hole, has its radius, no edge, and no speck beside it."""
    ball = opened[0].evaluate(CONTOUR, sign)
    assert ball["radii"] == pytest.approx([14.0] * len(ball["radii"]), abs=0.7)
    assert ball["shared"] == [2]
    assert abs(ball["volume"]) == pytest.approx(4 / 3 * 3.14159 * 14**3, rel=0.05)


@pytest.mark.parametrize("width", [400, 1366])
def test_page_fits_its_window(opened: tuple[Page, list[str]], width: int) -> None:
    """Every picture and chart is there, and nothing is wider than the window."""
    page, faults = opened
    # Without a graphics card a wide picture of surfaces takes longer than all other tests.
    shown = "" if width <= WINDOW["width"] else "none"
    page.evaluate(SHOW_SCENES, shown)
    page.set_viewport_size({"width": width, "height": 768})
    wait_until(page, CHARTS_ARE_DRAWN)
    assert page.locator("img").evaluate_all("all => all.every((image) => image.naturalWidth > 0)")
    assert width_of(page) <= width
    page.set_viewport_size(WINDOW)
    page.evaluate(SHOW_SCENES, "")
    assert faults == []


def test_page_is_accessible(opened: tuple[Page, list[str]]) -> None:
    """axe-core finds nothing serious: names, labels, contrast, what keys can reach."""
    assert list_complaints(opened[0]) == []


def test_every_control_has_its_label(opened: tuple[Page, list[str]]) -> None:
    """Each slider has a label and a number that are bound to it."""
    page, _ = opened
    sliders = page.locator("input[type=range]").evaluate_all(
        """all => all.map((own) => [own.labels.length,
            document.querySelector(`output[for="${own.id}"]`).textContent !== ""])"""
    )
    assert sliders == [[1, True]] * 3


def test_page_can_be_printed(opened: tuple[Page, list[str]]) -> None:
    """On A4, narrower than letter paper, charts are as wide as their places, and nothing is cut
    off."""
    page, faults = opened
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_WIDTH, "height": 900})
    widths = page.locator(".chart").evaluate_all(
        """all => all.map((place) => [place.clientWidth,
            place.querySelector(".main-svg").getBoundingClientRect().width])"""
    )
    assert all(chart <= place + 1 for place, chart in widths)
    wider = page.evaluate(
        """edge => [...document.body.querySelectorAll('*')]
            .filter((one) => !one.closest('.chart, .scene'))
            .filter((one) => one.getBoundingClientRect().right > edge)
            .map((one) => one.outerHTML)""",
        A4_WIDTH + 1,
    )
    assert wider == []
    assert page.evaluate(SEEN, 1) == [True, False]
    assert page.evaluate(SEEN, 0) == [False, True]
    page.emulate_media(media="screen")
    page.set_viewport_size(WINDOW)
    assert page.evaluate(SEEN, 0) == [True, False]
    assert faults == []


def test_hostile_texts_do_not_run(opened: tuple[Page, list[str]]) -> None:
    """Markup in names of files and in messages neither runs nor stops the page's own scripts."""
    page, faults = opened
    assert page.title() != "run"
    assert traces(page)[0]["x"] > 0
    assert faults == []


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_pages_of_analyses(kind: str, tab: tuple[Page, list[str]], tmp_path: Path) -> None:
    """Charts are drawn, with whole legends, nothing is wider than a narrow window, and axe-core
    finds nothing; a window that becomes higher does not draw charts anew."""
    page, faults = tab
    made = MAKERS[kind](tmp_path)
    page.set_viewport_size({"width": NARROW, "height": 640})
    page.goto(made.page.as_uri())
    wait_until(page, CHARTS_ARE_DRAWN)
    assert page.locator(".chart").count() == made.n_charts
    assert width_of(page) <= NARROW
    assert page.evaluate(CUT_LEGENDS) == 0
    heights = page.evaluate(HEIGHTS)
    page.set_viewport_size({"width": NARROW, "height": 700})
    assert page.evaluate(HEIGHTS) == heights
    assert list_complaints(page) == []
    assert page.locator("pre").all_inner_texts() == list(made.commands)
    assert faults == []
