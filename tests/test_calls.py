"""Python calls with wrong arguments: each costs one error of ours, which names the right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cryofocus
from cryofocus.errors import CallError, CryofocusError

SPHERE = {"focus": (1, 2, 3, 4)}
TURNS: dict[str, tuple[Callable[..., Any], str]] = {
    "as RELION calls it": (
        lambda: cryofocus.classify("t.star", "RUN", K=2, **SPHERE),
        "K: unknown, did you mean classes?",
    ),
    "as the settings call it": (
        lambda: cryofocus.classify("t.star", "RUN", n_classes=2, **SPHERE),
        "n_classes: unknown, did you mean classes?",
    ),
    "what is not needed": (
        lambda: cryofocus.classify("t.star", "RUN", classes=2, tau2_fudge=4, **SPHERE),
        "tau2_fudge: unknown, and not needed. How far classes may differ is learnt",
    ),
    "nowhere to write": (
        lambda: cryofocus.classify("t.star", classes=2, **SPHERE),
        "classify: missing a required argument: 'output'; it takes particles, output, ",
    ),
    "a setting": (
        lambda: cryofocus.variance("t.star", "DIR", dimensions=3),
        r"variance: dimensions: unknown, it belongs into the settings: settings=VarianceSettings\("
        r"n_dimensions=...\)",
    ),
    "a setting by its own name": (
        lambda: cryofocus.fsc("a.mrc", "b.mrc", "DIR", mask="m.mrc"),
        r"settings=FscSettings\(mask=...\)",
    ),
    "where progress is shown": (
        lambda: cryofocus.reconstruct("t.star", "m.mrc", symmetry="C2"),
        r"settings=ReconstructSettings\(symmetry=...\)",
    ),
    "the name of a group for its operators": (
        lambda: cryofocus.expand("t.star", "C2", "o.star"),
        r"expand: operators: found 'C2' \(str\), expected OperatorSet. OperatorSet.point_group",
    ),
    "several runs for one": (
        lambda: cryofocus.select(["RUN"], 1, "o.star"),
        r"select: run: found \['RUN'\] \(list\), expected a path",
    ),
    "values for settings": (
        lambda: cryofocus.variance("t.star", "D", {"n_dimensions": 3}),
        r"variance: settings: found .* \(dict\), expected VarianceSettings",
    ),
    "a file for its voxels": (
        lambda: cryofocus.write_volume("m.mrc", "other.mrc", 1.0),
        r"write_volume: data: found 'other.mrc' \(str\), expected a numpy array",
    ),
    "nothing for a run": (
        lambda: cryofocus.open_run(None),
        r"open_run: path: found None \(NoneType\), expected a path",
    ),
    "a slip": (
        lambda: cryofocus.select("RUN", 1, "o.star", max_outliers=4),
        "select: max_outliers: unknown, did you mean max_outlier?",
    ),
}


@pytest.mark.parametrize(("call", "said"), TURNS.values(), ids=TURNS)
def test_the_right_argument_is_named(call: Callable[..., Any], said: str) -> None:
    """None of them gets as far as looking for the files."""
    with pytest.raises(CryofocusError, match=said):
        call()


def test_files_of_settings_are_found_by_their_names() -> None:
    """A text does for a path here, too."""
    for read in (cryofocus.read_config, cryofocus.read_slurm_settings):
        with pytest.raises(CryofocusError, match=r"nowhere\.yaml"):
            read("nowhere.yaml")


def test_errors_of_calls_are_those_of_python_too() -> None:
    """Who expects the TypeError of a function gets it."""
    assert issubclass(CallError, TypeError)
