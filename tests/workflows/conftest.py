"""A small simulated set and its classification, which several tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.simulate.humanoid import SimulatedSet, simulate_humanoid
from make_request import MakeRequest
from small_phantom import every_tenth_bead


@pytest.fixture(scope="session")
def few_beads() -> Phantom:
    """Every tenth bead of the standard humanoid."""
    return every_tenth_bead()


@pytest.fixture(scope="session")
def simulate(
    tmp_path_factory: pytest.TempPathFactory, few_beads: Phantom
) -> Callable[..., SimulatedSet]:
    """Simulate a small set that is easy to classify."""

    def make(**changes: Any) -> SimulatedSet:
        values = {"particles": 240, "snr": 0.5, "first_snr": 20.0, "box": 24, "seed": 3}
        settings = HumanoidSettings(**{**values, "pixel_size_angstrom": 17.5, **changes})
        return simulate_humanoid(
            tmp_path_factory.mktemp("set") / "set", settings, phantom=few_beads
        )

    return make


@pytest.fixture(scope="session")
def small_set(simulate: Callable[..., SimulatedSet]) -> SimulatedSet:
    """Two equal classes, box 24."""
    return simulate()


@pytest.fixture(scope="session")
def ask() -> Callable[..., ClassifyRequest]:
    """Compose the request for a set: two classes, two runs, unless changed."""

    def make(simulated: SimulatedSet, **changes: Any) -> ClassifyRequest:
        settings = {"n_classes": 2, "n_runs": 2, **changes.pop("settings", {})}
        focus = tuple(float(number) for number in simulated.focus_sphere.split(","))
        table = simulated.directory / "particles.star"
        values = {"particles": table, "focus": focus, "threads": 2, "settings": settings}
        return ClassifyRequest(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, small_set: SimulatedSet, ask: MakeRequest
) -> RunDirectory:
    """The run directory of the small set; tests must not change it."""
    return classify(ask(small_set), tmp_path_factory.mktemp("run") / "RUN", command="the command")
