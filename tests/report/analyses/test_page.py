"""Pages of analyses: one frame, files that are linked, commands as a whole, nothing that runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis_pages import NAMES, make_covary
from cryofocus.covariance.particles import SMALLEST_SPREAD
from cryofocus.report.analyses import differences
from cryofocus.report.analyses.covary import headline, pair_rows, region_rows, render_page, verdict
from cryofocus.report.analyses.differences import each_pair_once
from cryofocus.report.analyses.page import Analysis, Table, list_files, write_page
from cryofocus.report.drawing.sheet import Panel, Sheet, Text
from cryofocus.workflows.covary.coupling import warn_of_surroundings
from cryofocus.workflows.covary.record import RECORD, CovaryRecord
from cryofocus.workflows.diffmap import TABLE, DifferenceRow

COMMAND = "cryofocus classify 'my particles.star' --focus=1.0,2.0,3.0,4.0 --classes 2 -o region_1"


def analysis(folder: Path) -> Analysis:
    """An analysis of a few files."""
    for name in ("a.mrc", "masks/region 1.mrc", "masks/region 2.mrc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    purposes = (("a.mrc", "a map"), ("masks/*.mrc", "masks"), ("gone.csv", "not there"))
    return Analysis(
        folder=folder,
        title="Where particles differ",
        headline="One axis",
        verdict="Over 51 % of the particles.",
        pictures=(),
        table=Table(("Region", "States"), (("1", "2"),)),
        files=list_files(folder, purposes),
        commands=(("Classify in region 1", COMMAND),),
    )


def test_files_are_listed_one_by_one_and_linked(tmp_path: Path) -> None:
    """A pattern becomes the files there are; what is missing is left out; links are addresses."""
    made = analysis(tmp_path)
    masks = ("masks/region 1.mrc", "masks/region 2.mrc")
    assert made.files == ((("a.mrc",), "a map"), (masks, "masks"))
    text = write_page(made).read_text(encoding="utf-8")
    assert 'href="masks/region%201.mrc"' in text
    assert "gone.csv" not in text


def test_commands_can_be_copied_whole(tmp_path: Path) -> None:
    """A command stands alone in an element that one click selects, and its words do not break."""
    text = write_page(analysis(tmp_path)).read_text(encoding="utf-8")
    (shown,) = re.findall(r"<pre>(.*?)</pre>", text)
    whole = shown.replace("<wbr>", "")
    assert re.sub("</?span>", "", whole) == COMMAND.replace("'", "&#39;")
    assert re.findall("<span>(.*?)</span>", whole) == COMMAND.replace("'", "&#39;").split(" ")
    assert re.search(r"pre \{[^}]*user-select: all", text)


def test_long_paths_break_between_their_names(tmp_path: Path) -> None:
    """A path wider than its line breaks after a slash or between words, not within one."""
    looked = replace(analysis(tmp_path), commands=(("Look", "chimerax /data/class_1.mrc --flip"),))
    text = write_page(looked).read_text(encoding="utf-8")
    path = "<span>/<wbr>data/<wbr>class_<wbr>1.mrc</span>"
    assert f"<span>chimerax</span> {path} <span>--flip</span>" in text


def test_warnings_are_sentences_and_keep_options_whole(tmp_path: Path) -> None:
    """A warning begins with a capital, and an option in it does not break at its hyphens."""
    warned = replace(analysis(tmp_path), warnings=("one run. Give another --max-resolution <5>",))
    text = write_page(warned).read_text(encoding="utf-8")
    option = '<span class="whole">--max-resolution</span>'
    assert f"<li>One run. Give another {option} &lt;5&gt;</li>" in text


def test_nothing_from_outside_runs(tmp_path: Path) -> None:
    """Markup stays text, and no script may run."""
    hostile = replace(analysis(tmp_path), headline="<script>alert(1)</script>")
    text = write_page(hostile).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "script-src &#39;none&#39;" in text


def test_each_pair_of_maps_is_shown_once() -> None:
    """Of a difference and its reverse the one with the higher peak stays, in the place of the
    first: what only the second map has more of is not overlooked."""
    firsts = ((1, 2, 9.0), (1, 3, 9.0), (2, 3, 9.0))
    rows = [
        DifferenceRow(
            map=f"class{a:03d}_minus_class{b:03d}.mrc",
            resolution_angstrom=20.0,
            peak_density=1.0,
            peak_significance=peak,
            peak_x_angstrom=0.0,
            peak_y_angstrom=0.0,
            peak_z_angstrom=0.0,
            volume_cubic_angstrom=10.0,
        )
        for a, b, peak in (*firsts, (2, 1, 4.0), (3, 1, 26.0), (3, 2, None))
    ]
    kept = [row.map for row in each_pair_once(rows)]
    assert kept == [rows[k].map for k in (0, 4, 2)]


def test_many_pairs_fill_several_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture holds no more pairs than can be read on paper; together they show each once, and
    what to see is said once."""
    pairs = [f"class{a:03d}_minus_class{b:03d}.mrc" for a in range(1, 5) for b in range(1, a)]
    zero = dict.fromkeys(("peak_x_angstrom", "peak_y_angstrom", "peak_z_angstrom"), 0.0)
    rest = {"resolution_angstrom": 20.0, "peak_density": 1.0, "volume_cubic_angstrom": 9.0}
    rows = [DifferenceRow(map=name, peak_significance=9.0, **zero, **rest) for name in pairs]
    DifferenceRow.write(tmp_path / TABLE, rows)
    drawn: list[int] = []

    def draw(folder: Path, run: Path, rows: slice) -> Sheet:
        del folder, run
        drawn.extend(range(len(pairs))[rows])
        return Sheet(100.0)

    monkeypatch.setattr(differences, "draw_differences", draw)
    differences.write_difference_pictures(tmp_path, tmp_path)
    assert drawn == [0, 1, 2, 3, 4, 5]
    pictures = differences.read_differences(tmp_path).pictures
    assert [bool(picture.note) for picture in pictures] == [False, True]


def test_differences_have_signs_for_those_who_see_no_colours() -> None:
    """The strongest of either sign are marked where they are, what is weak beside them is not."""
    values = np.zeros((20, 20), np.float32)
    values[5, 4], values[12, 15], values[18, 2] = 30.0, -8.0, 6.0
    panel = Panel(0.0, 0.0, 200.0, 20)
    marks = [mark for mark in differences.sign_peaks(panel, values) if isinstance(mark, Text)]
    assert [mark.words for mark in marks] == ["+", "−"]
    for mark, place in zip(marks, ((4, 5), (15, 12)), strict=True):
        x, y = panel.place(*place)
        assert (mark.x, mark.y) == pytest.approx((x, y), abs=6)
    assert not list(differences.sign_peaks(panel, values / 10))


def correlated(folder: Path, value: float, names: tuple[str, ...] = NAMES) -> CovaryRecord:
    """A record of three regions, of which the first two vary together surely."""
    make_covary(folder)
    record = CovaryRecord.read(folder / RECORD)
    assert record.particle_level is not None
    level = record.particle_level.model_copy(
        update={
            "correlation": ((1.0, value, 0.0), (value, 1.0, 0.0), (0.0, 0.0, 1.0)),
            "p_values": ((0.0, 0.0001, 0.5), (0.0001, 0.0, 0.5), (0.5, 0.5, 0.0)),
        }
    )
    return record.model_copy(update={"regions": names, "particle_level": level})


def test_names_of_regions_keep_their_hyphens(tmp_path: Path) -> None:
    """Only the correlation of a pair is written with a minus."""
    told = verdict(correlated(tmp_path, -0.5, ("EF-G", *NAMES[1:])))
    assert f"EF-G and {NAMES[1]} (−0.50)" in told


def test_no_line_begins_with_the_dash_of_a_pair(tmp_path: Path) -> None:
    """The dash between two names stays with the first of them."""
    (names, _), *_ = pair_rows(correlated(tmp_path, 0.5))
    assert names == f"{NAMES[0]}\u00a0– {NAMES[1]}"


def test_small_spreads_are_undetermined_for_a_reason(tmp_path: Path) -> None:
    """The error of a spread is not written as none; the page says which spread is too small."""
    record = correlated(tmp_path, 0.5)
    assert record.particle_level is not None
    spread = {"spread": (0.4, 0.3, 0.0623), "spread_error": (0.01, 0.0051, 0.0022)}
    level = record.particle_level.model_copy(update=spread)
    record = record.model_copy(update={"particle_level": level})
    said = [of_particles[0] for _, _, of_particles, _ in region_rows(record)]
    assert said == ["0.40 ± 0.01", "0.30 ± 0.01", "0.062 ± 0.002"]
    assert "hardly varies" in verdict(record)
    assert f"spread is above {SMALLEST_SPREAD:.2f}" in render_page(record, tmp_path)


def test_a_weak_negative_pair_is_said_with_its_caveat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A neighbour's dark surroundings alone make -0.2, though no -0.4 and no 0.2."""
    record = correlated(tmp_path, -0.2)
    assert headline(record) == "Regions vary together weakly, if at all"
    assert "Weak and negative" in verdict(record)
    warn_of_surroundings(record)
    assert f"{NAMES[0]} and {NAMES[1]} (−0.20): weak, negative" in caplog.text
    caplog.clear()
    for value in (-0.4, 0.2):
        record = correlated(tmp_path, value)
        assert headline(record) == "1 pair of regions varies together"
        assert "Weak" not in verdict(record)
        warn_of_surroundings(record)
    assert not caplog.messages
