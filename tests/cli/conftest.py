"""A tiny simulated set, and the command line run inside the test process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cryofocus.cli.main import app
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.simulate.humanoid import simulate_humanoid
from small_phantom import every_tenth_bead

Invoke = Callable[..., Any]


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """Every tenth bead of the standard humanoid."""
    return every_tenth_bead()


@pytest.fixture(scope="session")
def pristine_set(tmp_path_factory: pytest.TempPathFactory, phantom: Phantom) -> Path:
    """Particles of scenario 1 that nobody changes."""
    folder = tmp_path_factory.mktemp("cli") / "set"
    settings = HumanoidSettings(particles=60, snr=0.3, box=24, pixel_size_angstrom=17.5, seed=3)
    simulate_humanoid(folder, settings, phantom=phantom)
    return folder


@pytest.fixture
def particle_set(tmp_path: Path, pristine_set: Path) -> Path:
    """A copy of the set, to spoil."""
    return Path(shutil.copytree(pristine_set, tmp_path / "set"))


@pytest.fixture(scope="session")
def focus(pristine_set: Path) -> str:
    """The sphere around the arm and hand, as ``--focus`` takes it."""
    return str(yaml.safe_load((pristine_set / "dataset.yaml").read_text())["focus_sphere"])


@pytest.fixture
def cryofocus(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run the command line in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke
