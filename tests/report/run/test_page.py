"""The page as a whole: complete, self-contained, safe, repeatable."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import FormatError, InputError
from cryofocus.report.drawing import style, surfaces
from cryofocus.report.run import pictures, planes, shown_maps
from cryofocus.report.run.page import write_report
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Cluster, Worker

Build = Callable[..., RunDirectory]

HOSTILE = """ <script>alert('1')</script> "onload='x' &amp; {{ 7*7 }}"""
VOID = {"meta", "img", "input", "br", "wbr"}
SECTIONS = ["first", "sure", "classes", "surfaces", "maps", "fsc", "certainty", "runs", "settings"]
SECTIONS += ["files", "cite"]


class PageReader(HTMLParser):
    """Collects elements, attributes and text, and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which has to be this one."""
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep what people read."""
        if self.open_tags and self.open_tags[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words with single spaces."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(autouse=True)
def coarse_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw maps coarsely, for speed."""
    monkeypatch.setattr(planes, "MAX_PIXELS", 40)
    monkeypatch.setattr(surfaces, "MAX_SHOWN_EDGE", 12)
    monkeypatch.setattr(pictures, "N_PIXELS", 24)


def read_page(path: Path) -> PageReader:
    """Read a page."""
    reader = PageReader(path.read_text(encoding="utf-8"))
    assert reader.open_tags == []
    return reader


def test_page_is_complete_and_self_contained(build_run: Build) -> None:
    """Every section is there, every image is inside the page, every link is a file beside it."""
    directory = build_run(n_classes=3)
    path = write_report(directory.path)
    assert path == directory.report
    assert path.stat().st_size < 15e6
    reader = read_page(path)
    ids = [value for tag, name, value in reader.attributes if tag == "section" and name == "id"]
    assert ids == SECTIONS
    images = [value for _, name, value in reader.attributes if name == "src"]
    assert len(images) == 14
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", image) for image in images)
    for _, name, value in reader.attributes:
        if name == "href":
            assert value.startswith("#") or (directory.path / value).is_file(), value
    assert not {"link", "iframe", "object"} & set(reader.tags)
    assert not any(name in {"src", "action"} for tag, name, _ in reader.attributes if tag != "img")
    head = path.read_text(encoding="utf-8").split("<main>")[0]
    assert "http" not in head.replace("http-equiv", "")
    assert "url(" not in head


def test_only_the_scripts_of_the_page_may_run(build_run: Build) -> None:
    """The policy names the sums of the page's five scripts; nothing else may run."""
    text = write_report(build_run().path).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy[1]).split(";"))
    sums = [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    ]
    assert len(sums) == 5
    assert rules["script-src"].split() == sums
    assert rules["default-src"] == "'none'"


def test_page_says_what_was_found(build_run: Build) -> None:
    """Headline, verdict, populations, certainty, settings and citation can be read."""
    text = read_page(write_report(build_run().path)).text
    for words in (
        "2 classes found in this region",
        "2 classes that differ inside the focus; three random starts agree.",
        "96.8 % agreement between runs",
        "Agreement of runs with each other, and with the reported classes",
        "class001.mrc",
        "sphere at (36.0, 84.0, 64.0) Å, radius 22.0 Å",
        "Held out: log-likelihood gain per particle 0.42",
        "focus.radius 22",
        "Zhang, W. Cantara, Y. Jeon, K. Musier-Forsyth, N. Grigorieff, D. Lyumkis",
    ):
        assert words in text


def test_the_page_of_an_expanded_set_counts_copies(build_run: Build) -> None:
    """Where copies are counted they are called so, in texts, tables and charts alike."""
    directory = build_run()
    plain, job = write_report(directory.path).read_text("utf-8"), directory.read_job()
    directory.write_job(job.model_copy(update={"n_parents": 300}))
    expanded = write_report(directory.path).read_text("utf-8")
    counted = (
        "of {} in their true class",
        "Share of all {}",
        "the number of {} counts each",
        "Keep the certain {} of a class",
        '"of all {}"',
        "bands as wide as the number of {}",
    )
    for words in counted:
        assert words.format("particles") in plain, words
        assert words.format("particles") not in expanded, words
        assert words.format("copies") in expanded, words
    assert "How certain is each copy?" in expanded


def test_page_says_when_it_began_and_how_dense_protein_is(build_run: Build) -> None:
    """Times are written for people, and what holds brackets stands in none."""
    directory = build_run()
    job = directory.read_job()
    contrast = job.contrast.model_copy(update={"how": "found (skewness 9.66)"})
    update = {"started": "2026-12-01T01:20:31+00:00", "contrast": contrast}
    directory.write_job(job.model_copy(update=update))
    text = read_page(write_report(directory.path)).text
    assert "2026-12-01 01:20:31 UTC" in text
    assert "in the images; found (skewness 9.66)" in text


def test_no_line_ends_before_a_unit(build_run: Build) -> None:
    """A number stays with its unit, and the p-value in one piece; commands are left alone."""
    directory = build_run()
    job = directory.read_job()
    verdict = "2 classes: 51 % of 20.4 Å (p-value below 0.01) at 1.3 Å/px"
    directory.write_job(job.model_copy(update={"verdict": verdict, "command": "map 5 s"}))
    text = write_report(directory.path).read_text("utf-8")
    assert "51\u00a0% of 20.4\u00a0Å (p\u2011value below 0.01) at 1.3\u00a0Å/px" in text
    assert "<span>5</span> <span>s</span>" in text


def test_settings_can_be_copied_as_they_were_given(build_run: Build) -> None:
    """The space in the name of a file stays the one it is, though a unit may seem to follow."""
    directory = build_run()
    directory.config.write_text("mask: run 5 s/m_1.mrc\n", encoding="utf-8")
    text = write_report(directory.path).read_text("utf-8")
    assert "<code>run 5 s/<wbr>m_<wbr>1.mrc</code>" in text


def test_page_says_what_probabilities_allow_for(build_run: Build) -> None:
    """How images lie about their classes is told where probabilities are explained."""
    directory = build_run()
    assert "Probabilities allow for" not in write_report(directory.path).read_text("utf-8")
    lie = {"scatter_over_noise": 1.254, "distance_over_maps": 0.971}
    directory.write_job(directory.read_job().model_copy(update=lie))
    text = read_page(write_report(directory.path)).text
    assert "scatter 1.25 times as much about their classes as noise does, and lie 0.97" in text


def test_page_says_which_workers_there_were(build_run: Build) -> None:
    """A run that was spread names kind, number and size of its workers, one that was not none."""
    directory = build_run()
    assert "Cluster" not in read_page(write_report(directory.path)).text
    workers = [
        Worker(host=f"10.0.0.{k}", threads=16, memory_limit_gb=60.0 + k) for k in (1, 2, 2, 3)
    ]
    cluster = Cluster(kind="slurm", n_workers=4, threads=16, workers=workers)
    record = directory.read_job().model_copy(update={"cluster": cluster})
    directory.write_job(record)
    text = read_page(write_report(directory.path)).text
    assert "Main machine Example processor, 2 cores, 24 GB" in text
    assert (
        "Cluster 4 workers (SLURM jobs) on 3 machines, each with 16 threads and 61 GB Soft" in text
    )


def test_no_classes_is_the_headline(build_run: Build) -> None:
    """Without classes the page says so first, and shows warnings with advice."""
    directory = build_run(
        classes_found=False, certainty=0.3, warnings=("Class 2 repeats class 1; use fewer.",)
    )
    text = read_page(write_report(directory.path)).text
    assert "No classes were found" in text[:200]
    assert "Class 2 repeats class 1; use fewer." in text
    assert "cryofocus select" not in text.split("Files, and what to do next")[1]
    assert "where the search ended. The maps differ by noise" in text
    figures = text.replace("Opacity of maps 100 %", "")
    assert not {"100 %", "50.0 %"} & set(re.findall(r"[\d.]+ %", figures))
    colours = re.findall(r"background: (#\w{6})", directory.report.read_text(encoding="utf-8"))
    assert not set(colours) & set(style.CLASS_COLOURS)


def test_proposed_region_is_shown_with_the_focus(build_run: Build) -> None:
    """A run that proposes a region outlines it in the slices and offers its surface."""
    directory = build_run()
    plain = write_report(directory.path).read_text(encoding="utf-8")
    assert "Proposed region" not in plain
    whole = np.ones_like(read_volume(directory.focus_mask).data)
    whole[:, :5] = 0
    write_volume(directory.proposed_region, whole, 4.0)
    path = write_report(directory.path)
    assert "Dashed: the proposed region" in read_page(path).text
    assert "Proposed region" in read_page(path).text

    def images(text: str) -> list[str]:
        slices = text.split('<section id="maps">')[1]
        return re.findall(
            r'<img src="(data:image/[^"]+)" alt="[^"]* slices', slices.split("</section>")[0]
        )

    before, after = images(plain), images(path.read_text(encoding="utf-8"))
    assert len(before) == len(after) > 0
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_hostile_names_stay_text(build_run: Build) -> None:
    """Markup in names, paths, reasons and settings is shown as text and never becomes elements."""
    directory = build_run(
        hostile=HOSTILE, warnings=(f"warn{HOSTILE}",), settings=f'"k{HOSTILE[:9]}": "v<b>"\n'
    )
    path = write_report(directory.path)
    reader = read_page(path)
    charts = reader.attributes.count(("div", "class", "chart"))
    assert reader.tags.count("script") == 6 + charts
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    assert reader.text.count("<script>alert('1')") >= 6
    assert "v<b>" in reader.text
    assert "{{ 7*7 }}" in reader.text
    assert "&amp; {{" in reader.text


def test_poorest_run_still_has_a_page(build_run: Build) -> None:
    """A single run without curves and with a class that has no map gives a shorter page."""
    left_out = ("fsc.star", "convergence.csv", "agreement.npy", "config.yaml", "class002.mrc")
    directory = build_run(n_runs=1, left_out=left_out)
    reader = read_page(write_report(directory.path))
    assert "This class has no map." in reader.text
    assert "Agreement of runs" not in reader.text
    images = [value for _, name, value in reader.attributes if name == "src"]
    assert len(images) == 6


def test_same_run_gives_the_same_page(build_run: Build) -> None:
    """Writing the report twice gives the same bytes."""
    directory = build_run(n_runs=1, left_out=("fsc.star", "convergence.csv"))
    first = write_report(directory.path).read_bytes()
    assert write_report(directory.path).read_bytes() == first


def test_map_of_another_grid_is_refused(build_run: Build) -> None:
    """A map that was replaced by one of another size is named with both sizes."""
    directory = build_run()
    write_volume(directory.class_map(2), np.zeros((8, 8, 8), dtype=np.float32), 4.0)
    with pytest.raises(FormatError, match=r"class002\.mrc: \(8, 8, 8\) voxels, expected 32 on"):
        write_report(directory.path)
    assert not directory.report.exists()


def test_large_maps_are_drawn_at_screen_size(
    build_run: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps larger than what a panel can show are resampled, and positions in Å stay the same."""
    results = read_results(build_run())
    scales = []
    for drawn_box in (32, 20):
        monkeypatch.setattr(shown_maps, "MAX_DRAWN_BOX", drawn_box)
        maps = shown_maps.read_maps(results)
        assert maps.consensus.planes[0].shape[0] <= drawn_box
        scales.append(planes.choose_scale(maps))
    fine, coarse = scales
    assert coarse.voxel_size_angstrom == pytest.approx(4.0 * 32 / 20)
    assert coarse.positions_angstrom == pytest.approx(fine.positions_angstrom, abs=3.5)
    assert coarse.difference_percent == pytest.approx(fine.difference_percent, rel=0.25)


def test_missing_consensus_is_named(build_run: Build) -> None:
    """Without the consensus map there is no report, and the message names the file."""
    directory = build_run(left_out=("consensus.mrc",))
    with pytest.raises(InputError, match=r"consensus\.mrc: cannot be read"):
        write_report(directory.path)


def test_many_maps_lower_the_resolution(build_run: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of the planes keep within their budget of bytes, down to a resolution to read."""
    maps = shown_maps.read_maps(read_results(build_run(n_classes=3)))
    monkeypatch.setattr(planes, "MAX_PIXELS", 100)
    fine = planes.draw_rows(maps)
    n_bytes = len(fine.consensus) + sum(map(len, fine.classes.values()))
    monkeypatch.setattr(planes, "IMAGE_BYTES_BUDGET", 0.8 * n_bytes)
    monkeypatch.setattr(planes, "MIN_PIXELS", 20)
    coarse = planes.draw_rows(maps)
    assert len(coarse.consensus) + sum(map(len, coarse.classes.values())) < 0.8 * n_bytes


def test_report_imports_neither_algorithm_nor_matplotlib() -> None:
    """Making a report loads no inference code, and pages are drawn without matplotlib."""
    code = (
        "import sys, cryofocus.report.run.page, cryofocus.api.analyses; "
        "print([m for m in ('matplotlib', 'cryofocus.inference.driver') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
