"""The page of mask place: what it is made of, and, in a browser, that placing works."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from browsing import NARROW, list_complaints, watched_tab, width_of
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maths.masks import sphere_mask
from cryofocus.report.place import page as place_page
from cryofocus.report.place.local_server import LocalServer
from cryofocus.report.place.page import PlaceSettings, place_mask

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Serve = Callable[..., LocalServer]
BOX, VOXEL, ORIGIN = 24, 4.0, (-20.0, 10.0, 5.0)
# A shell that starts the tests in the background makes them, and their children, deaf to Ctrl-C.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cryofocus.cli.main import main
main()
"""
HOSTILE = "a <b>&'$(x).mrc"


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """A ball, beside the middle of a map whose frame has an origin."""
    path = tmp_path / HOSTILE
    write_volume(path, sphere_mask(BOX, VOXEL, (8, -8, 0), 20.0, 8.0), VOXEL, ORIGIN)
    return path


@pytest.fixture
def variance_file(tmp_path: Path) -> Path:
    """Variance at another place of the same map."""
    path = tmp_path / "variance.mrc"
    write_volume(path, sphere_mask(BOX, VOXEL, (-12, 4, 8), 8.0, 8.0), VOXEL, ORIGIN)
    return path


@pytest.fixture
def serve(map_file: Path) -> Iterator[Serve]:
    """Give a function that starts the page with settings."""
    threads = []

    def start(**settings: object) -> LocalServer:
        server = place_mask(map_file, PlaceSettings(**settings))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve)
        thread.start()
        threads.append((server, thread))
        return server

    yield start
    for server, thread in threads:
        server.stop()
        thread.join()


def described(server: LocalServer) -> dict[str, object]:
    """What the page knows about map and commands."""
    text = server.assets[""].content.decode()
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_page_begins_where_most_varies(serve: Serve, variance_file: Path) -> None:
    """The first sphere sits on the density or, given variance, on its peak, in the map's frame."""
    middle = np.asarray(ORIGIN) + BOX // 2 * VOXEL
    start = described(serve())["start"]
    np.testing.assert_allclose(np.asarray(start)[:3], np.add(middle, (8, -8, 0)), atol=VOXEL)
    start = described(serve(variance=variance_file))["start"]
    np.testing.assert_allclose(np.asarray(start)[:3], np.add(middle, (-12, 4, 8)), atol=VOXEL)


def test_names_are_quoted_and_escaped(serve: Serve, tmp_path: Path) -> None:
    """A hostile name is text in the page and one word in the commands."""
    server = serve(output=tmp_path / "my mask.mrc")
    text = server.assets[""].content.decode()
    assert "<b>" not in text
    assert "a &lt;b&gt;&amp;" in text
    words = described(server)["words"]
    assert isinstance(words, dict)
    assert words["mask"] == f"'{tmp_path}/my mask.mrc'"
    assert words["frame"].startswith(" --map '")
    assert words["map"].endswith("a <b>&'\"'\"'$(x).mrc'")


def test_large_maps_are_sent_at_screen_size(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map larger than the planes is resampled; its voxels stay where they are in Å."""
    fine = described(serve())
    monkeypatch.setattr(place_page, "MAX_SLICE_BOX", 12)
    server = serve()
    coarse = described(server)
    assert len(server.assets["density"].content) == 12**3
    assert (coarse["box"], coarse["voxel"]) == (12, 2 * VOXEL)
    np.testing.assert_allclose(coarse["low"], ORIGIN)  # type: ignore[arg-type]
    np.testing.assert_allclose(fine["low"], ORIGIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"particles": Path("none.star")}, "none.star: no such file. Give the particle table."),
        ({"output": Path("mask.map")}, "mask.map: expected a name that ends in .mrc."),
        ({"output": Path(__file__).parent / "none" / "m.mrc"}, "no such folder"),
        ({"variance": Path("none.mrc")}, "none.mrc: cannot be read"),
    ],
)
def test_wrong_files_are_named(map_file: Path, settings: dict[str, Path], words: str) -> None:
    """Whatever cannot be used is refused before anything is served."""
    with pytest.raises(CryofocusError, match=re.escape(words)):
        place_mask(map_file, PlaceSettings(**settings))  # type: ignore[arg-type]


def test_variance_of_another_grid_or_without_any_is_refused(
    map_file: Path, tmp_path: Path
) -> None:
    """A variance map has to lie on the map's grid and to hold variance."""
    other = tmp_path / "other.mrc"
    write_volume(other, np.ones((8, 8, 8), np.float32), VOXEL)
    with pytest.raises(CryofocusError, match=r"other\.mrc: a box of 8 voxels, but .* has 24"):
        place_mask(map_file, PlaceSettings(variance=other))
    write_volume(other, np.zeros((BOX,) * 3, np.float32), VOXEL)
    with pytest.raises(CryofocusError, match=r"other\.mrc: no variance \(largest value 0\)"):
        place_mask(map_file, PlaceSettings(variance=other))


def test_page_writes_the_mask(serve: Serve, tmp_path: Path) -> None:
    """Six numbers become a mask, may be corrected afterwards, and anything else is refused."""
    output = tmp_path / "mask.mrc"
    write = serve(output=output, soft_edge_angstrom=0.0).answers["mask"]
    assert re.match(
        r"Wrote .*mask\.mrc: [\d,]+ Å³, [\d.]+ % of the map’s", write([28, 58, 53] + [20] * 3)
    )
    first = read_volume(output).data.sum()
    write([28, 58, 53, 20, 20, 12])
    assert read_volume(output).data.sum() < 0.7 * first
    for asked in ([1, 2, 3], "x", {"a": 1}, [1, 2, 3, 4, 5, "6"], [[1]] * 6):
        with pytest.raises(CryofocusError, match="expected six numbers"):
            write(asked)
    assert serve().answers == {}


def test_existing_masks_are_not_replaced_unasked(map_file: Path, tmp_path: Path) -> None:
    """A mask that was there before needs --overwrite."""
    output = tmp_path / "mask.mrc"
    output.write_bytes(b"precious")
    with pytest.raises(CryofocusError, match=r"mask\.mrc: exists"):
        place_mask(map_file, PlaceSettings(output=output))
    place_mask(map_file, PlaceSettings(output=output, overwrite=True)).close()
    assert output.read_bytes() == b"precious"


def test_ctrl_c_ends_it_cleanly(map_file: Path) -> None:
    """The command prints the address, and an interruption ends it with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "mask", "place", str(map_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert re.match(r"Open   http://127\.0\.0\.1:\d+/[\w-]{32}/\n", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    assert said.endswith("Stopped.\n")
    assert (complained, process.returncode) == ("", 0)


def drag(page: Page, plane: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag in a plane; positions in Å along its axes, in the map's frame."""
    frame = page.locator(f"[data-plane={plane}]").bounding_box()
    assert frame is not None
    axes = ["xyz".index(name) for name in plane]
    for n, position in enumerate((begin, end)):
        across, above = (
            ((p - ORIGIN[axis]) / VOXEL + 0.5) / BOX
            for p, axis in zip(position, axes, strict=True)
        )
        x, y = frame["x"] + across * frame["width"], frame["y"] + (1 - above) * frame["height"]
        page.mouse.move(x, y)
        if n == 0:
            page.mouse.down()
    page.mouse.up()


@pytest.mark.slow
def test_placing_by_hand(
    serve: Serve, browser: Browser, variance_file: Path, tmp_path: Path
) -> None:
    """Dragging moves and resizes the region in all planes, numbers and scrolling do too, the
    command follows, and the button writes the mask that is shown. In a small window slices stay
    large, nothing sticks out, and axe-core finds nothing."""
    output = tmp_path / "mask.mrc"
    server = serve(variance=variance_file, output=output, soft_edge_angstrom=0.0)
    with watched_tab(browser, {"width": 1366, "height": 768}) as (page, faults):
        page.goto(server.address)
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        begin = np.asarray(described(server)["start"])
        drag(page, "xz", (begin[0], begin[2]), (32.0, 49.0))
        command = page.locator("#command")
        assert (
            f"--focus=32,{begin[1]:g},49,{begin[3]:.1f} --soft-edge 0 --map"
            in command.inner_text()
        )
        drag(page, "xy", (32.0 + begin[3], begin[1]), (52.0, begin[1]))
        assert f"--focus=32,{begin[1]:g},49,20 " in command.inner_text()
        page.get_by_label("y of the centre in Å").fill("50")
        page.get_by_label("Ellipsoid").check()
        drag(page, "xz", (32.0, 69.0), (32.0, 61.0))
        assert "mask ellipsoid 32,50,49,20,20,12 --like" in command.inner_text()
        page.locator("[data-plane=zy]").hover()
        page.mouse.wheel(0, 100)
        assert "mask ellipsoid 28,50,49,20,20,12 --like" in command.inner_text()
        page.locator("#write").click()
        page.locator("#told", has_text="Wrote").wait_for()
        inside = np.argwhere(read_volume(output).data > 0.5)[:, ::-1] * VOXEL + ORIGIN
        np.testing.assert_allclose(inside.mean(axis=0), (28, 50, 49), atol=0.01)
        page.get_by_label("Radius along z in Å").fill("90")
        assert page.locator("#write").is_disabled()
        assert "reaches out of the map" in page.locator("#told").inner_text()
        assert width_of(page) <= 1366
        page.set_viewport_size({"width": NARROW, "height": 640})
        assert width_of(page) <= NARROW
        canvas = page.locator("[data-plane=xy]").bounding_box()
        assert canvas is not None
        assert canvas["width"] > NARROW / 3
        assert list_complaints(page) == []
        assert faults == []
