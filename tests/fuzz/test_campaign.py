"""Files spoiled at random: whatever the damage, only our own error comes out of a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from cryofocus.errors import CryofocusError, FormatError
from fuzz import judge as judging
from fuzz import readers
from fuzz.campaign import Campaign, main
from fuzz.mutations import mutate

N_FILES, N_OF_NOISE = 2000, 40


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The sound files, and a folder to read spoiled ones in."""
    return Campaign(tmp_path_factory.mktemp("fuzz"))


def test_sound_files_are_read(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of every reader succeeds on the file that is to be spoiled."""
    refused = []

    def attempt(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except CryofocusError as error:
            refused.append(str(error))
            return None

    monkeypatch.setattr(readers, "attempt", attempt)
    for kind, (name, content) in campaign.samples.items():
        assert campaign.judge(kind, name, content) is None, kind
    assert refused == []


def test_only_our_own_error_comes_out(campaign: Campaign) -> None:
    """Spoiled files of every kind are read or refused, soon, and in little memory."""
    assert [str(found) for found in campaign.run(range(N_FILES))] == []


def test_noise_is_refused(campaign: Campaign) -> None:
    """A file of random bytes is no table, no map and no record, whatever its name."""
    rng = Random(1)
    for kind, (name, _) in campaign.samples.items():
        for _ in range(N_OF_NOISE // len(campaign.samples) + 1):
            assert campaign.judge(kind, name, rng.randbytes(rng.randrange(2000))) is None


def test_every_kind_is_spoiled_and_some_of_it_is_still_read(campaign: Campaign) -> None:
    """Kinds take turns, every file differs from the sound one, and a seed gives it again."""
    made = [campaign.make(number) for number in range(N_FILES)]
    kinds = Counter(kind for kind, _, _ in made)
    assert set(kinds) == set(readers.READERS)
    assert max(kinds.values()) - min(kinds.values()) <= 1
    changed = sum(content != campaign.samples[kind][1] for kind, _, content in made)
    assert changed > 0.95 * N_FILES
    sound = campaign.samples["relion3"][1]
    assert mutate(sound, Random("7")) == mutate(sound, Random("7"))


def _fails(path: Path) -> None:
    raise KeyError(path.name)


def _warns(path: Path) -> None:
    np.array([1e300]) * np.array([1e300])


def _never_ends(path: Path) -> None:
    while True:
        pass


def _grows(path: Path) -> None:
    np.zeros(judging.MEMORY_BYTES)


def _refuses(path: Path) -> None:
    readers.attempt(lambda: (_ for _ in ()).throw(FormatError(f"{path}: no")))


def _says_too_much(path: Path) -> None:
    readers.attempt(lambda: (_ for _ in ()).throw(FormatError("x" * 10**6)))


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (_fails, "foreign"),
        (_warns, "foreign"),
        (_says_too_much, "foreign"),
        (_never_ends, "hang"),
        (_grows, "memory"),
        (_refuses, None),
    ],
)
def test_faults_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[Path], None],
    kind: str | None,
) -> None:
    """Another error, a warning, an endless message, a hang and a flood are faults of a reader."""
    monkeypatch.setattr(judging, "SECONDS", 0.1)
    path = tmp_path / "x"
    path.write_bytes(b"x")
    fault = judging.judge(read, path)
    assert (fault and fault.kind) == kind


def test_faults_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command keeps the file that a reader does not stand, says why, and ends with 1."""
    monkeypatch.setitem(readers.READERS, "operators", _fails)
    n_kinds = len(readers.READERS)
    keep = tmp_path / "kept"
    assert main([str(n_kinds), "--processes", "1", "--keep", str(keep)]) == 1
    (kept,) = keep.iterdir()
    assert kept.name.startswith("operators_")
    assert "KeyError" in capsys.readouterr().out
