"""classify and select on tables of other programs: their rows come back in their own format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.errors import SettingError
from cryofocus.workflows.classify import classify
from cryofocus.workflows.classify_request import ClassifyRequest
from cryofocus.workflows.convert import convert
from cryofocus.workflows.run_directory import RunDirectory
from cryofocus.workflows.run_files import is_run_file
from cryofocus.workflows.select import select
from cryofocus.workflows.simulate import SimulatedSet

BRIEF = {"n_runs": 1, "max_cycles": 2, "invert": "no"}


@pytest.fixture(scope="module")
def make_run(
    tmp_path_factory: pytest.TempPathFactory,
    small_set: SimulatedSet,
    ask: Callable[..., ClassifyRequest],
) -> Callable[[str], tuple[Path, RunDirectory]]:
    """Convert the small set and classify what came of it."""

    def make(suffix: str) -> tuple[Path, RunDirectory]:
        folder = tmp_path_factory.mktemp("foreign")
        table = folder / f"table{suffix}"
        convert(small_set.directory / "particles.star", table)
        request = ask(
            small_set, particles=table, datadir=small_set.directory, settings=dict(BRIEF)
        )
        return table, classify(request, folder / "RUN")

    return make


def test_cryosparc_rows_come_back(
    make_run: Callable[[str], tuple[Path, RunDirectory]], tmp_path: Path
) -> None:
    """particles.cs has the same uids and fields; only class fields differ; select keeps rows."""
    table, run = make_run(".cs")
    before, after = np.load(table), np.load(run.particles)
    assert run.particles.name == "particles.cs"
    assert not (run.path / "particles.star").exists()
    changed = {"alignments3D/class", "alignments3D/class_posterior"}
    for name in set(before.dtype.names) - changed:
        np.testing.assert_array_equal(before[name], after[name])
    posteriors = np.load(run.posteriors)
    np.testing.assert_array_equal(after["alignments3D/class"], posteriors.argmax(axis=1))
    np.testing.assert_allclose(
        after["alignments3D/class_posterior"], posteriors.max(axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(after["cryofocus/class_posterior"], posteriors, rtol=1e-6)
    n_kept = select(run.path, [2], tmp_path / "two.cs")
    kept = np.load(tmp_path / "two.cs")
    assert n_kept == len(kept)
    np.testing.assert_array_equal(kept["uid"], before["uid"][posteriors.argmax(axis=1) == 1])
    with pytest.raises(SettingError, match=r"two\.star: expected a name that ends in \.cs"):
        select(run.path, [2], tmp_path / "two.star")


def test_cistem_gets_one_table_a_class(
    make_run: Callable[[str], tuple[Path, RunDirectory]],
) -> None:
    """particles_class001.cistem and its siblings hold the occupancies of each class."""
    _, run = make_run(".cistem")
    names = {path.name for path in run.path.iterdir()}
    files = {"particles.cistem", "particles_class001.cistem", "particles_class002.cistem"}
    assert files <= names
    assert all(is_run_file(name) for name in names)
    for name in files:
        assert len(open_table(run.path / name).columns().rotation) == 240
