"""Python calls with wrong arguments: each costs one error of ours, which names the right one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float

import cryofocus
from cryofocus.calls import _told_kinds, require_kinds
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
    "one map for several": (
        lambda: cryofocus.merge("a.mrc", "m.mrc"),
        r"merge: maps: found 'a.mrc' \(str\), expected a list, each entry a path",
    ),
    "voxels without a size": (
        lambda: cryofocus.join_regions((), np.zeros((2, 8, 8, 8)), "2 A", 5.0),
        r"join_regions: voxel_size_angstrom: found '2 A' \(str\), expected a number",
    ),
    "two of three coordinates": (
        lambda: cryofocus.sphere_mask(8, 1.0, (0, 0), 3, 0),
        r"sphere_mask: centre_angstrom: found \(0, 0\) \(tuple\), expected \(number, number, nu",
    ),
    "labels of other particles": (
        lambda: cryofocus.measure_agreement(np.zeros(4, int), np.zeros(3, int), 2),
        r"measure_agreement: truth: found an array of int64, shape \(3,\), expected a numpy array "
        r"of whole numbers, shape \(n,\) with n = 4",
    ),
    "one noise for all values": (
        lambda: cryofocus.fit_normal(np.zeros((4, 2)), np.eye(2)),
        r"fit_normal: noise: found .*, expected a numpy array of numbers, shape \(n, r, r\) with "
        "n = 4 and r = 2",
    ),
    "a file for the table in it": (
        lambda: cryofocus.ParticleSet.from_table("t.star"),
        r"from_table: table: found 't.star' \(str\), expected ParticleTable. ParticleSet.read",
    ),
    "a word for yes": (
        lambda: cryofocus.select("RUN", 1, "o.star", overwrite="no"),
        r"select: overwrite: found 'no' \(str\), expected True or False",
    ),
    "a choice there is not": (
        lambda: cryofocus.diffmap_run("RUN", "D", against="all"),
        r"diffmap_run: against: found 'all' \(str\), expected 'consensus' or 'pairs'",
    ),
    "a voxel of no size": (
        lambda: cryofocus.fit_rigid(np.zeros((8, 8, 8)), np.zeros((8, 8, 8)), float("nan")),
        r"fit_rigid: voxel_size_angstrom: found nan \(float\), expected a number above 0",
    ),
    "a voxel of less than none": (
        lambda: cryofocus.write_volume("m.mrc", np.zeros((8, 8, 8)), -1.0),
        r"write_volume: voxel_size_angstrom: found -1.0 \(float\), expected a number above 0",
    ),
    "a box of less than none": (
        lambda: cryofocus.sphere_mask(-8, 1.0, (0, 0, 0), 3, 0),
        r"sphere_mask: box: found -8 \(int\), expected a whole number above 0",
    ),
    "a whole box of less than none": (
        lambda: cryofocus.FocusMask.whole(-8, 1.0, soft_edge_angstrom=1),
        r"whole: box: found -8 \(int\), expected a whole number above 0",
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


def test_every_public_function_says_what_it_takes() -> None:
    """What is not told has a message of its own: options, regions, values of a configuration."""
    functions = [getattr(cryofocus, name) for name in cryofocus.__all__]
    untold = [
        f"{function.__name__}.{name}"
        for function in functions
        if inspect.isfunction(function)
        for name in inspect.signature(function).parameters
        if name not in _told_kinds(function.__wrapped__)
    ]
    assert untold == ["classify.options", "covary.regions", "read_config.changes"]


@dataclass
class Turned:
    """Made of an array; what the package holds is checked by the test run first."""

    rotation: Float[np.ndarray, "3 3"]

    def __post_init__(self) -> None:
        """Refuse what is none."""
        require_kinds(self)


def test_objects_say_what_they_are_made_of() -> None:
    """A matrix in the plane turns no volume."""
    with pytest.raises(CallError, match=r"Turned: rotation: .*shape \(2, 2\), .*shape \(3, 3\)"):
        Turned(np.eye(2))
    Turned(np.eye(3))


def test_files_of_settings_are_found_by_their_names() -> None:
    """A text does for a path here, too."""
    for read in (cryofocus.read_config, cryofocus.read_slurm_settings):
        with pytest.raises(CryofocusError, match=r"nowhere\.yaml"):
            read("nowhere.yaml")


def test_errors_of_calls_are_those_of_python_too() -> None:
    """Who expects the TypeError of a function gets it."""
    assert issubclass(CallError, TypeError)
