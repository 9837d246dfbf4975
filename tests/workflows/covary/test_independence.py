"""Runs that are copies of one another, by where they started and where they ended."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryofocus.workflows.covary.independence import Candidate, Origin, find_independent

ORIGIN = Origin("residual", 2, "random", 1, 1, ())


def candidate(name: str, origin: Origin = ORIGIN, *, seed: int = 1) -> Candidate:
    """A run with posteriors of its own."""
    drawn = np.random.default_rng(seed).uniform(size=(500, 1))
    return Candidate(name, Path("runs") / name, origin, np.hstack([drawn, 1 - drawn]))


def started(*maps: str) -> Origin:
    """From maps instead of at random."""
    paths = tuple(Path(one).resolve() for one in maps)
    return replace(ORIGIN, start=None, seed=None, number=None, references=paths)


def test_other_seeds_are_independent(caplog: pytest.LogCaptureFixture) -> None:
    """Seeds, or starts of one seed, of their own: all count, and nothing is said."""
    origins = [ORIGIN, replace(ORIGIN, seed=2), replace(ORIGIN, number=2)]
    runs = [candidate(f"run{k}", origin, seed=k) for k, origin in enumerate(origins)]
    with caplog.at_level(logging.WARNING):
        assert find_independent(runs) == (True, True, True)
    assert not caplog.records


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (candidate("b", seed=2), "a and b had the same start and the same seed (1)"),
        (candidate("b", replace(ORIGIN, seed=2)), "a and b have the same posteriors (0 % of"),
        (
            candidate("b", started("runs/a/class001.mrc", "runs/a/class002.mrc"), seed=2),
            "a and b are not independent: b started from class maps of a",
        ),
    ],
)
def test_copies_are_named_once(
    caplog: pytest.LogCaptureFixture, other: Candidate, message: str
) -> None:
    """Each way to be a copy gives one warning that names the runs; the first one counts."""
    third = candidate("c", replace(ORIGIN, seed=7), seed=3)
    with caplog.at_level(logging.WARNING):
        assert find_independent([candidate("a"), third, other]) == (True, True, False)
    (record,) = caplog.records
    assert message in record.getMessage()
    assert "count once" in record.getMessage()


def test_the_same_maps_are_one_start(caplog: pytest.LogCaptureFixture) -> None:
    """Three runs from the same maps are one, whatever their seeds."""
    maps = started("first.mrc", "second.mrc")
    runs = [candidate(name, maps, seed=k) for k, name in enumerate("abc")]
    with caplog.at_level(logging.WARNING):
        assert find_independent(runs) == (True, False, False)
    (record,) = caplog.records
    assert "a and b started from the same maps; a and c started from the same maps" in (
        record.getMessage()
    )
