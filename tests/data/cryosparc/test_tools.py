"""Files for cryoSPARC, read and written by cryosparc-tools, as its external results are."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.labels import CLASS_LABEL, MAX_POSTERIOR_LABEL, POSTERIOR_LABEL
from particle_files import N_PARTICLES, cs_rows, save_cs, with_fields

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "from-cryosparc.md"
tools = pytest.importorskip("cryosparc.dataset", reason="cryosparc-tools is not installed")


def rows() -> np.ndarray:
    """Four particles whose texts are all UTF-8, as cryoSPARC's are."""
    return with_fields(cs_rows(), {"location/note": None})


@pytest.fixture
def classified(tmp_path: Path) -> Path:
    """A particle file with classes, as a run writes it."""
    table = open_table(save_cs(tmp_path / "particles.cs", rows()))
    posterior = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [1.0, 0.0]])
    columns = {
        CLASS_LABEL: posterior.argmax(axis=1) + 1,
        MAX_POSTERIOR_LABEL: posterior.max(axis=1),
        POSTERIOR_LABEL: posterior,
    }
    table.write(tmp_path / "classified.cs", columns, None)
    return tmp_path / "classified.cs"


def test_cryosparc_tools_read_what_a_run_writes(classified: Path) -> None:
    """Uids, fields and rows are as they were; classes can be queried, one result per class."""
    before, after = rows(), tools.Dataset.load(classified)
    assert len(after) == N_PARTICLES
    np.testing.assert_array_equal(after["uid"], before["uid"])
    np.testing.assert_array_equal(after["alignments3D/pose"], before["alignments3D/pose"])
    second = after.query({"alignments3D/class": 1})
    np.testing.assert_array_equal(second["uid"], before["uid"][1:3])
    np.testing.assert_allclose(second["alignments3D/class_posterior"], [0.8, 0.7], rtol=1e-6)
    assert {"alignments3D", "blob", "ctf"} <= set(after.prefixes())


@pytest.mark.parametrize("container", ["NUMPY_FORMAT", "CSDAT_FORMAT"])
def test_what_cryosparc_tools_write_is_read(
    classified: Path, tmp_path: Path, container: str
) -> None:
    """A class chosen and saved there, in either container, is the same particles here."""
    chosen = tools.Dataset.load(classified).query({"alignments3D/class": 0})
    chosen.save(tmp_path / "chosen.cs", format=getattr(tools, container))
    table = open_table(tmp_path / "chosen.cs")
    whole = open_table(classified).columns()
    found, classes = table.columns(), table.classes()
    assert classes is not None
    assert classes.posterior is not None
    np.testing.assert_allclose(classes.posterior, [[0.9, 0.1], [1.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(found.rotation, whole.rotation[[0, 3]], atol=1e-6)
    assert [found.places.name(i) for i in (0, 1)] == [whole.places.name(i) for i in (0, 3)]


def test_the_example_gives_what_the_server_is_asked_for(
    classified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's call has the arguments of the installed package, and a file that it loads."""
    from cryosparc.controllers.project import ProjectController

    asked: list[dict[str, Any]] = []
    signature = inspect.signature(ProjectController.save_external_result)

    def take(project: object, **words: Any) -> None:
        signature.bind(project, **words)
        asked.append(words)

    project = type("Project", (), {"save_external_result": take})
    server = type("Server", (), {"find_project": lambda self, uid: project()})
    monkeypatch.setattr("cryosparc.tools.CryoSPARC", lambda *_: server())
    monkeypatch.chdir(tmp_path)
    shutil.copy(classified, "class2.cs")
    (example,) = re.findall(
        r"```python\n(from cryosparc.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    exec(example, {"HOST_AND_LICENSE": None})
    (words,) = asked
    assert len(words["dataset"]) == len(tools.Dataset.load(classified))
    assert {f"{slot}/class" for slot in words["slots"]} <= set(words["dataset"].fields())
