"""Slices of true and of found class maps: what a kappa looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.arrays import Volume
from cryofocus.data.atomic import atomic_file
from cryofocus.data.volume import read_volume
from cryofocus.maps.difference import regression_residual
from cryofocus.simulate.states import Scenario, state_name
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.reading import explain_damage


@dataclass(frozen=True, eq=False)
class ClassSlices:
    """Planes xz through the middle of the focus region, x to the right and z upward.

    Attributes:
        true: `(n_classes, box, box)` true class maps, filtered as the found ones are.
        found: `(n_classes, box, box)` found class maps in the order of the true ones.
        mask: `(box, box)` focus mask.
    """

    true: Float32[np.ndarray, "n_classes box box"]
    found: Float32[np.ndarray, "n_classes box box"]
    mask: Float32[np.ndarray, "box box"]


def cut_class_slices(
    run: RunDirectory, maps: Path, scenario: Scenario, matching: Sequence[int]
) -> ClassSlices:
    """Cut the class maps of a run and what they should be.

    Args:
        run: Finished run.
        maps: Folder of the simulated set's maps.
        scenario: Of the set.
        matching: Number of the true class, from 1, of each found class, as `evaluate` gives it.

    Raises:
        InputError: When a map cannot be read.
        FormatError: When a map cannot be read.
    """
    mask = read_volume(run.focus_mask).data
    profile = mask.sum(axis=(0, 2))
    y = round(float(profile @ np.arange(len(profile))) / float(profile.sum()))
    true, found = [], []
    for true_class in range(scenario.n_classes):
        volume = read_volume(run.class_map(1 + list(matching).index(1 + true_class))).data
        expected = mean_class_map(maps, scenario, true_class)
        explained = volume - regression_residual(volume, expected)
        true.append(explained[:, y])
        found.append(volume[:, y])
    return ClassSlices(np.stack(true), np.stack(found), mask[:, y].copy())


def mean_class_map(maps: Path, scenario: Scenario, true_class: int) -> Volume:
    """Average the maps of all states of a class, each as often as it occurs.

    Args:
        maps: Folder of the simulated set's maps.
        scenario: Of the set.
        true_class: Index of the class.
    """
    weights = scenario.prior * (scenario.unit_class(scenario.states) == true_class)
    weights = weights / weights.sum()
    present = np.flatnonzero(weights)
    total: Float[np.ndarray, "box box box"] = sum(
        weights[i] * read_volume(maps / f"{state_name(scenario.states[i])}.mrc").data
        for i in present
    )
    return np.asarray(total, np.float32)


def write_slices(path: Path, slices: ClassSlices) -> None:
    """Keep slices as .npz.

    Raises:
        OutputError: Disk full, no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as handle:
        np.savez_compressed(handle, allow_pickle=False, **asdict(slices))


def read_slices(path: Path) -> ClassSlices:
    """Read what `write_slices` wrote.

    Raises:
        FormatError: When the file is damaged.
    """
    remedy = "Delete it and the cell's result, and the cell is run again."
    with (
        explain_damage(path, remedy),
        path.open("rb") as handle,
        np.load(handle, allow_pickle=False) as stored,
    ):
        return ClassSlices(**{name: stored[name] for name in ("true", "found", "mask")})
