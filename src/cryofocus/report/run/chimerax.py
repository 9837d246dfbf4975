"""The script that opens a run in ChimeraX."""

from __future__ import annotations

from cryofocus.data.shapes.markers import markers_text
from cryofocus.data.volume import read_volume
from cryofocus.report.drawing.slices import contour_level
from cryofocus.report.drawing.style import (
    CONSENSUS_COLOUR,
    MASK_COLOUR,
    PROPOSED_COLOUR,
    class_colour,
)
from cryofocus.report.run.results import RunResults


def chimerax_script(results: RunResults) -> str:
    """Compose view.cxc: all class maps at one level, consensus and masks beside them.

    ChimeraX runs a script in the script's own folder, so files are named without folder and the
    run directory may be moved or sent to somebody.

    Raises:
        FormatError: When the consensus map is damaged.
    """
    directory = results.directory
    level = contour_level(read_volume(directory.consensus).data)
    numbers = [
        entry.class_number
        for entry in results.classes
        if entry.weight and directory.class_map(entry.class_number).is_file()
    ]
    last = len(numbers) + 2
    lines = [
        f"# Classes of a focused classification by cryofocus {_one_line(results.job.version)}.",
        "# Open it in ChimeraX, or type: open view.cxc",
        "# #1 consensus (hidden), #2 focus mask (mesh), from #3 on the classes.",
        f"# One class after the other: mseries slider #3-{last}",
        "set bgColor white",
        "lighting soft",
        f"open {_quoted(directory.consensus.name)} id 1",
        f"volume #1 style surface step 1 level {level:.6g} color {CONSENSUS_COLOUR}",
        'rename #1 "consensus"',
        "hide #1 models",
        f"open {_quoted(directory.focus_mask.name)} id 2",
        f"volume #2 style mesh step 1 level 0.5 color {MASK_COLOUR}",
        'rename #2 "focus mask"',
    ]
    for model, number in enumerate(numbers, start=3):
        percent = 100 * results.classes[number - 1].weight
        lines += [
            f"open {_quoted(directory.class_map(number).name)} id {model}",
            f"volume #{model} style surface step 1 level {level:.6g} color {class_colour(number)}",
            f'rename #{model} "class {number}, {percent:.0f} percent"',
        ]
    lines += _show_region(results, last + 2)
    if directory.proposed_region.is_file():
        lines += [
            f"open {_quoted(directory.proposed_region.name)} id {last + 1}",
            f"volume #{last + 1} style mesh step 1 level 0.5 color {PROPOSED_COLOUR}",
            f'rename #{last + 1} "proposed region"',
            f"hide #{last + 1} models",
        ]
    return "\n".join([*lines, "view", ""])


def movable_region(results: RunResults) -> str | None:
    """Compose region.cmm, the sphere in focus as a marker; None where a mask is in focus."""
    focus = results.job.focus
    if focus.centre_angstrom is None or focus.radius_angstrom is None:
        return None
    return markers_text("region to move", [(*focus.centre_angstrom, focus.radius_angstrom)])


def _show_region(results: RunResults, model: int) -> list[str]:
    """Open the marker, hidden, and say how it is moved and sent back."""
    if movable_region(results) is None:
        return []
    name = results.directory.region.name
    return [
        f"open {_quoted(name)} id {model}",
        f"transparency #{model} 60",
        f"hide #{model} models",
        f"# To move the region: show #{model} models",
        '# and: mousemode right "move markers"',
        f"# Then: save {name} models #{model}",
        f"# In a terminal, here: cryofocus mask sphere --markers {name} --like consensus.mrc "
        "-o region.mrc",
    ]


def _quoted(name: str) -> str:
    """Quote a file name for a ChimeraX command."""
    return '"' + _one_line(name).replace('"', "") + '"'


def _one_line(text: str) -> str:
    """Keep a text from starting a command of its own: line ends and semicolons separate them."""
    return "".join(character for character in text if character.isprintable()).replace(";", ",")
