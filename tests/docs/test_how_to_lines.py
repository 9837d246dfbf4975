"""Every line of every page for users runs as it stands, on small data, in the order of the page.

A block that cannot run here says why, in the line below it, where readers see it too. Output that
a page shows is a block of `text`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from matplotlib.figure import Figure
from typer.testing import CliRunner

import cryofocus
from cryofocus.api import classification
from cryofocus.cli.main import app
from cryofocus.report.place.local_server import LocalServer
from cryofocus.workflows import found_region
from cryofocus.workflows.variance.run import variance
from reader_library import BOX, Library
from small_phantom import every_tenth_bead

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted(ROOT.glob("docs/how-to/*.md"))]
BLOCK = re.compile(
    r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```\n"
    r"(?:\s*\*Not run in tests: (?P<reason>[^\n]+)\*$)?",
    re.DOTALL | re.MULTILINE,
)
# The same extent with fewer pixels, so that coordinates stay what they are.
CYCLES, CLASSES = 5, 3
BRIEFLY = {
    "inference.factors.model.MAX_CYCLES": 3,
    "covariance.normal.N_BOOTSTRAP": 40,
    "covariance.classes.N_BOOTSTRAP": 40,
}
SMALL: dict[str, Any] = {"particles": 120, "box": BOX, "snr": 1.0, "first_snr": 20.0}


class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    def __init__(self, home: Path, library: Library) -> None:
        self.home, self.library = home, library
        self.given: set[str] = set()

    def type(self, line: str) -> None:
        """Run a line, with the files it takes for granted."""
        program, *words = shlex.split(line)
        assert program in ("cryofocus", "cryofocus_relion"), f"cannot run: {line}"
        if program == "cryofocus_relion":
            words.insert(0, "relion-external")
        outputs = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-o"]
        for word in words:
            name = word.split("=")[-1].split(":")[0]
            if name in outputs or (self.home / name).exists():
                continue
            # What lies in a folder that a page takes for granted comes with it.
            top = name.split("/")[0]
            if self.library.give(name, self.home) or self.library.give(top, self.home):
                self.given |= {name, top}
        for name in self.given.intersection(outputs):
            shutil.rmtree(self.home / name, ignore_errors=True)
            (self.home / name).unlink(missing_ok=True)
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """What pages take for granted."""
    return Library(tmp_path_factory.mktemp("library"))


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate few small images, classify briefly, draw no pictures, and serve no page for long.

    Pages and pictures would be most of the time, and are tested elsewhere.
    """
    humanoid, models = cryofocus.simulate_humanoid, cryofocus.simulate_models
    classify = cryofocus.classify

    def small_humanoid(output: Path, settings: Any, **others: Any) -> Any:
        pixel = settings.pixel_size_angstrom * settings.box / BOX
        small = settings.model_copy(update={**SMALL, "pixel_size_angstrom": pixel})
        return humanoid(output, small, phantom=every_tenth_bead(), **others)

    def small_models(files: Any, output: Path, settings: Any, **others: Any) -> Any:
        pixel = settings.pixel_size_angstrom * settings.box / BOX
        changed = {**SMALL, "pixel_size_angstrom": pixel}
        return models(files, output, settings.model_copy(update=changed), **others)

    def short_classify(request: Any, output: Path, **others: Any) -> Any:
        if not isinstance(request, cryofocus.ClassifyRequest):
            return classify(request, output, **{**others, "cycles": CYCLES, "runs": 2})
        asked = request.settings
        n_classes = CLASSES if asked.n_classes == "auto" else min(asked.n_classes, CLASSES)
        fewer = {"n_cycles": CYCLES, "n_runs": 2, "n_classes": n_classes}
        small = request.model_copy(update={"settings": asked.model_copy(update=fewer)})
        return classify(small, output, **others)

    def short_search(table: Any, output: Path, settings: Any, **others: Any) -> Any:
        fewer = settings.model_copy(update={"n_dimensions": 2, "n_spheres": 1})
        return variance(table, output, fewer, **others)

    def interrupted(server: LocalServer) -> None:
        server.close()
        raise KeyboardInterrupt

    def draw_nothing(figure: Figure, target: Any, **_: Any) -> None:
        if hasattr(target, "write"):
            target.write(b"<svg></svg>")
        else:
            Path(target).touch()

    for name, number in BRIEFLY.items():
        monkeypatch.setattr(f"cryofocus.{name}", number)
    monkeypatch.setattr(Figure, "savefig", draw_nothing)
    monkeypatch.setattr(
        classification, "write_report", lambda run: (Path(run) / "report.html").touch()
    )
    monkeypatch.setattr(cryofocus, "simulate_humanoid", small_humanoid)
    monkeypatch.setattr(cryofocus, "classify", short_classify)
    monkeypatch.setattr(cryofocus, "simulate_models", small_models)
    monkeypatch.setattr(found_region, "variance", short_search)
    monkeypatch.setattr(LocalServer, "serve", interrupted)


def lines_of(text: str) -> Iterator[str]:
    """Yield the commands of a block."""
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        if line.strip():
            yield line.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_page_runs(
    page: Path, tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands in order end without an error; Python runs; what cannot run says why."""
    monkeypatch.chdir(tmp_path)
    library.lay_out(tmp_path, page.stem)
    reader = Reader(tmp_path, library)
    for block in BLOCK.finditer(page.read_text("utf-8")):
        if block["reason"] or block["language"] == "text":
            continue
        if block["language"] == "yaml":
            assert yaml.safe_load(block["text"])
        elif block["language"] == "python":
            if ">>>" not in block["text"]:  # the others are run by test_examples
                exec(compile(block["text"], str(page), "exec"), {})
        else:
            assert block["language"] == "", f"{page}: {block['language']}"
            for line in lines_of(block["text"]):
                reader.type(line)
