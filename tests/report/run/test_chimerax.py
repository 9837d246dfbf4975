"""view.cxc: everything opens from the run directory, at one level, in the report's colours."""

from __future__ import annotations

import re
from collections.abc import Callable

from cryofocus.data.shapes.markers import read_markers
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.report.drawing import style
from cryofocus.report.run.chimerax import chimerax_script, movable_region
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]

COMMANDS = {"#", "set", "lighting", "open", "volume", "rename", "hide", "transparency", "view"}


def test_all_maps_open_at_one_level(build_run: Build) -> None:
    """Consensus and classes share a level, classes have their own colours, the mask is a mesh."""
    script = chimerax_script(read_results(build_run(n_classes=3)))
    surfaces = re.findall(
        r"^volume #(\d) style surface step 1 level (\S+) color (\S+)$", script, re.M
    )
    assert [model for model, _, _ in surfaces] == ["1", "3", "4", "5"]
    assert len({level for _, level, _ in surfaces}) == 1
    assert [colour for _, _, colour in surfaces[1:]] == list(style.CLASS_COLOURS[:3])
    assert "volume #2 style mesh step 1 level 0.5" in script


def test_files_are_relative_and_there(build_run: Build) -> None:
    """Every file is named without folder and lies in the run directory."""
    directory = build_run()
    names = re.findall(r'^open "([^"]+)" id', chimerax_script(read_results(directory)), re.M)
    assert names == [
        *("consensus.mrc", "focus_mask.mrc"),
        "class001.mrc",
        "class002.mrc",
        "region.cmm",
    ]
    assert all((directory.path / name).is_file() for name in names[:-1])


def test_proposed_region_is_there_to_show(build_run: Build) -> None:
    """Where the region in focus cuts what differs, the one proposed opens last, hidden."""
    directory = build_run()
    write_volume(directory.proposed_region, read_volume(directory.focus_mask).data, 4.0)
    script = chimerax_script(read_results(directory))
    assert 'open "proposed_region.mrc" id 5' in script
    assert f"volume #5 style mesh step 1 level 0.5 color {style.PROPOSED_COLOUR}" in script
    assert "hide #5 models" in script


def test_class_without_map_is_left_out(build_run: Build) -> None:
    """A missing class map does not stop the script, and models are numbered without gap."""
    script = chimerax_script(read_results(build_run(n_classes=3, left_out=("class002.mrc",))))
    assert 'open "class003.mrc" id 4' in script
    assert "class002" not in script


def test_nothing_from_outside_becomes_a_command(build_run: Build) -> None:
    """Line ends and semicolons in texts from outside cannot start a command."""
    directory = build_run()
    job = directory.read_job().model_copy(update={"version": "1\nexit; close #1"})
    directory.write_job(job)
    script = chimerax_script(read_results(directory))
    starts = {line.split()[0] for line in script.splitlines()}
    assert starts <= COMMANDS
    assert ";" not in script


def test_region_goes_to_chimerax_and_comes_back(build_run: Build) -> None:
    """The sphere in focus is a marker file that is read back as the same sphere; a region given
    as a mask is none."""
    directory = build_run()
    results = read_results(directory)
    text = movable_region(results)
    assert text is not None
    directory.region.write_text(text)
    focus = results.job.focus
    assert read_markers(directory.region) == ((*focus.centre_angstrom, focus.radius_angstrom),)
    script = chimerax_script(results)
    assert 'open "region.cmm" id 6' in script
    assert "hide #6 models" in script
    assert "mask sphere --markers region.cmm" in script
    assert movable_region(read_results(build_run(hostile="m.mrc"))) is None
