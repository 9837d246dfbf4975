"""Commands that are killed, refused disk or memory, and what is right afterwards."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.simulate.phantom import humanoid
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.run.checkpoint import Checkpoint
from cryofocus.workflows.simulate.humanoid import simulate_humanoid
from fault_injection import Ended, Fault, FaultyProcess

SET, MASK, OTHER_MASK, MAP = "set", "arm.mrc", "other.mrc", "map.mrc"
PARTICLES, BOX, PIXEL = 60, 24, 17.5
# What differs from run to run: times, memory, and what was said on the way.
VOLATILE_KEYS = {
    *("seconds", "peak_memory_gb", "started", "command", "warnings", "machine", "date"),
    *("cluster", "memory_gb", "n_processes", "cycles_before", "origin"),
}
SAID = (".log", "command.txt")
PAGES = ".html"


@dataclass(frozen=True)
class Command:
    """A command under test.

    Attributes:
        words: What is typed, in a folder beside that of the input.
        again: What is added to finish or repeat it.
        appears_whole: Whether its result gets its name when all of it is there.
        replaced: In what part of the trials a result is there already.
    """

    words: tuple[str, ...]
    again: str = "--overwrite"
    appears_whole: bool = False
    replaced: float = 0.0


TABLE = f"../{SET}/particles.star"
REGIONS = ("--regions", f"A=../{MASK}", f"B=../{OTHER_MASK}")


def classify(focus: str, *more: str) -> Command:
    """Return a classification, in few cycles."""
    words = ("classify", TABLE, "--focus", focus, "--cycles", "4", "--threads", "1", "-o", "out")
    return Command((*words, *more), "--resume")


def commands(focus: str) -> dict[str, Command]:
    """Return every command by the name it has in reports."""
    two = ("--classes", "2", "--runs", "1")
    search = ("--reference", f"../{MAP}", "--max-resolution", "45", "--angular-step", "15")
    return {
        "classify": replace(classify(focus, "--classes", "2", "--runs", "2"), replaced=0.3),
        "classify auto": classify(focus, "--classes", "auto", "--runs", "1"),
        "classify poses": classify(focus, *two, "--refine-poses", "2"),
        "classify cluster": classify(focus, *two, "--cluster", "local:2"),
        "variance": Command(
            ("variance", TABLE, "--dimensions", "2", "-o", "out"), appears_whole=True, replaced=0.5
        ),
        "covary": Command(
            ("covary", TABLE, *REGIONS, "-o", "out"), appears_whole=True, replaced=0.5
        ),
        "subtract": Command(
            ("subtract", TABLE, "--keep", f"../{MASK}", "-o", "out"),
            appears_whole=True,
            replaced=0.5,
        ),
        "align refine": Command(("align", "refine", TABLE, "--iterations", "1", "-o", "out.star")),
        "align search": Command(("align", "search", TABLE, *search, "-o", "out.star"), "--resume"),
        "convert": Command(("convert", TABLE, "--write-stack", "out.mrcs", "-o", "out.cs")),
        "reconstruct": Command(("reconstruct", TABLE, "-o", "out.mrc")),
    }


@contextmanager
def running_scheduler() -> Iterator[str]:
    """Run a Dask scheduler with two workers, threads of this process; give its address.

    They stay as they are whatever happens to a command that uses them, and cost it no start.
    """
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster.scheduler_address


def make_input(folder: Path) -> str:
    """Simulate a tiny set, two masks and a map; return the sphere to focus on."""
    full = humanoid()
    few = replace(
        full,
        centre_angstrom=full.centre_angstrom[::10],
        sigma_angstrom=full.sigma_angstrom[::10],
        weight=full.weight[::10],
        part=full.part[::10],
    )
    settings = HumanoidSettings(
        particles=PARTICLES, snr=0.3, box=BOX, pixel_size_angstrom=PIXEL, seed=3
    )
    simulate_humanoid(folder / SET, settings, phantom=few)
    maps = [read_volume(path).data for path in sorted((folder / SET / "maps").glob("*.mrc"))]
    mean = np.mean(maps, axis=0)
    write_volume(folder / MAP, mean, PIXEL)
    inside = mean > 0.2 * mean.max()
    upper = np.arange(BOX)[:, None, None] > BOX // 2
    for name, chosen in ((MASK, inside & upper), (OTHER_MASK, inside & ~upper)):
        write_volume(folder / name, chosen.astype(np.float32), PIXEL)
    return str(yaml.safe_load((folder / SET / "dataset.yaml").read_text())["focus_sphere"])


def describe(folder: Path) -> dict[str, str]:
    """Return what lies in a folder, by name, without what differs from run to run.

    Raises:
        ValueError: When something under a final name is not whole.
    """
    return {
        str(path.relative_to(folder)): _describe_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _describe_file(path: Path) -> str:
    content = path.read_bytes()
    if path.name.endswith(SAID):
        return "said"
    if path.suffix == PAGES:
        if not content.rstrip().endswith(b"</html>"):
            raise ValueError(f"{path}: no whole page")
        return "a page"
    if path.suffix == ".json":
        return _digest(json.dumps(_lasting(json.loads(content)), sort_keys=True).encode())
    if path.suffix == ".yaml":
        return _digest(json.dumps(_lasting(yaml.safe_load(content)), default=str).encode())
    return _digest(content)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _lasting(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _lasting(own) for name, own in value.items() if name not in VOLATILE_KEYS}
    return [_lasting(own) for own in value] if isinstance(value, list) else value


class Bench:
    """Runs commands with faults, and knows what they give without.

    Args:
        folder: Empty; the input and a folder for every trial go there.
        process: Runs the commands.
    """

    def __init__(self, folder: Path, process: FaultyProcess) -> None:
        self._folder, self._process = folder, process
        self._focus = make_input(folder)
        self.commands = commands(self._focus)
        self._references: dict[str, dict[str, str]] = {}
        self.steps: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def add_scheduler(self, address: str) -> None:
        """Let there be a classification on a scheduler that the user runs."""
        more = ("--classes", "2", "--runs", "1", "--cluster", address)
        self.commands["classify scheduler"] = classify(self._focus, *more)

    def reference(self, name: str) -> dict[str, str]:
        """Return what a command gives undisturbed."""
        if name not in self._references:
            place, began = self.place(f"{name} undisturbed"), time.monotonic()
            ended = self._process.run(self.commands[name].words, inside=place.name)
            self.seconds[name] = time.monotonic() - began
            if ended.status != 0:
                raise RuntimeError(f"{name}: {ended.errors}")
            self._references[name], self.steps[name] = describe(place), ended.steps
        return self._references[name]

    def place(self, name: str) -> Path:
        """Make a new folder for a trial."""
        place = self._folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def put_result(self, name: str, place: Path) -> None:
        """Let a result be there already."""
        shutil.copytree(self._folder / f"{name} undisturbed", place, dirs_exist_ok=True)

    def run(self, words: tuple[str, ...], place: Path, fault: Fault) -> Ended:
        """Run any command with a fault."""
        return self._process.run(words, fault, inside=place.name)

    def try_once(self, name: str, place: Path, fault: Fault, how: str = "") -> Attempt:
        """Run a command with a fault, and look at what it leaves under final names."""
        words = self.commands[name].words
        ended = self.run((*words, how) if how else words, place, fault)
        faults = [*self._faults_of(name, place), *(f"{one} still runs" for one in ended.left)]
        return Attempt(ended.status, ended.errors, ended.steps, tuple(faults))

    def _faults_of(self, name: str, place: Path) -> list[str]:
        """Return what is wrong with what lies there after a fault."""
        expected, faults = self.reference(name), []
        hidden = [path for path in place.rglob(".*") if path.is_file() or path.is_dir()]
        found = {
            file: content
            for file, content in self._described(place, faults).items()
            if not any((place / file).is_relative_to(path) for path in hidden)
        }
        for file, content in found.items():
            if file.endswith("checkpoint.npz"):
                self._require_sound(place / file, faults)
            elif file not in expected:
                faults.append(f"{file} is not a result")
            elif content != expected[file]:
                faults.append(f"{file} is not what it is without a fault")
        whole = self.commands[name].appears_whole
        if whole and found and found.keys() != expected.keys():
            faults.append(f"{sorted(expected.keys() - found.keys())} are missing")
        return faults

    def _described(self, place: Path, faults: list[str]) -> dict[str, str]:
        try:
            return describe(place)
        except ValueError as error:
            faults.append(str(error))
            return {}

    def _require_sound(self, path: Path, faults: list[str]) -> None:
        with path.open("rb") as handle:
            try:
                Checkpoint(path, {})._require_seal(handle)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
                faults.append(str(error))

    def again(self, name: str, place: Path) -> str:
        """Tell what is added to finish a command.

        A table says nothing of the search that wrote it, which is refused rather than resumed
        once it is whole: what a kill left then is gone when the table is replaced.
        """
        is_table = not (place / "out").is_dir()
        visible = {n: c for n, c in describe(place).items() if not Path(n).name.startswith(".")}
        is_whole = is_table and visible == self.reference(name)
        return "--overwrite" if is_whole else self.commands[name].again

    def is_done(self, name: str, place: Path) -> bool:
        """Tell whether a command has nothing left to do, whatever happened to it."""
        return describe(place) == self.reference(name)

    def finish(self, name: str, place: Path) -> list[str]:
        """Finish or repeat a command undisturbed; return what is wrong with its result."""
        expected = self.reference(name)
        if self.is_done(name, place):
            return []  # it happened when everything was done
        attempt = self.try_once(name, place, Fault(), self.again(name, place))
        if attempt.status != 0:
            return [f"exit {attempt.status}: {attempt.errors}"]
        found = describe(place)
        faults = [f"{file} is missing" for file in expected.keys() - found.keys()]
        faults += [f"{file} is left over" for file in found.keys() - expected.keys()]
        shared = expected.keys() & found.keys()
        faults += [f"{file} differs" for file in sorted(shared) if expected[file] != found[file]]
        hidden = [path.name for path in place.rglob(".*")]
        return faults + [f"{file} is left over" for file in hidden]


@dataclass(frozen=True)
class Attempt:
    """How a command with a fault ended.

    Attributes:
        status: Exit status, or minus the number of a signal.
        errors: What it said.
        steps: Steps it did.
        faults: What is wrong with what it left.
    """

    status: int
    errors: str
    steps: int
    faults: tuple[str, ...]
