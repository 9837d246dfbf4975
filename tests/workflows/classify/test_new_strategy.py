"""A strategy is one record: adding one takes its file and an entry in the list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import Interrupted, SettingError
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.run.page import write_report
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from stopping import stopping_progress
from toy_strategy import TOY

Ask = Callable[..., ClassifyRequest]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """List the toy for one test."""
    monkeypatch.setitem(STRATEGIES, TOY.name, TOY)


def test_a_new_strategy_goes_all_the_way(
    tmp_path: Path, small_set: SimulatedSet, ask: Ask
) -> None:
    """From images to the page, through a stop and a resume, with its objective's own name."""
    request = ask(small_set, focus=None, settings={"strategy": "toy"})
    with pytest.raises(Interrupted):
        classify(request, tmp_path / "RUN", progress=stopping_progress("run 2 of 2", 1))
    run = classify(request, tmp_path / "RUN", resume=True)
    whole = classify(request, tmp_path / "WHOLE")
    np.testing.assert_array_equal(np.load(run.posteriors), np.load(whole.posteriors))
    np.testing.assert_allclose(np.load(run.posteriors).sum(axis=1), 1, rtol=1e-6)
    job = run.read_job()
    assert (job.strategy, job.focus.kind) == ("toy", "whole")
    assert job.objective_name == "log-likelihood"
    assert np.all(np.diff(job.objective) > -1)
    write_report(run.path)
    assert ">Log-likelihood</th>" in run.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "focus: the strategy toy compares whole maps and has no focus"),
        ({"focus": None, "cluster": "local:2"}, "cluster: the strategy toy keeps whole images"),
        (
            {"focus": None, "settings": {"storage": "bfloat16"}},
            "storage: found bfloat16, but the strategy is toy, which does not use it. Leave it "
            "out, or choose another --strategy.",
        ),
        (
            {"focus": None, "settings": {"strategy": "toys"}},
            "strategy: found 'toys', expected 'residual', 'mask2d', 'mask3d', 'subtract', "
            "'global' or 'toy'",
        ),
    ],
)
def test_what_it_refuses_follows_from_its_record(
    small_set: SimulatedSet, ask: Ask, changes: dict[str, object], message: str
) -> None:
    """A region, a cluster and options of others are refused as the record says."""
    settings = {"strategy": "toy", **changes.get("settings", {})}
    with pytest.raises(SettingError, match=message):
        ask(small_set, **{**changes, "settings": settings})
