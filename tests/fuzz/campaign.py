"""Many files: made one after the other, from a seed, judged, and those that are faults kept."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from random import Random
from unittest.mock import patch

from fuzz.corpus import build
from fuzz.judge import Fault, judge
from fuzz.mutations import mutate
from fuzz.readers import READERS

N_AT_ONCE = 500
"""Files that a process is given at a time."""
COMPANIONS = {
    **{"s.mrcs": "stack/s.mrcs", "stack.mrcs": "stack/s.mrcs"},
    **{"x.star": "relion5/x.star", "x.cs": "cs/x.cs"},
}
"""Sound files that lie beside the spoiled one, which may need them."""


@dataclass(frozen=True)
class Finding:
    """A file that a reader does not stand."""

    kind: str
    number: int
    name: str
    content: bytes
    fault: Fault


class Campaign:
    """Files spoiled and read in a folder of their own.

    Args:
        folder: Empty; what readers write goes there too.
        seed: Decides every file together with its number.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._folder, self._seed = folder, seed
        corpus = build()
        self.samples = {
            Path(name).parent.name: (Path(name).name, content)
            for name, content in corpus.items()
            if Path(name).parent.name in READERS
        }
        self._companions = {name: corpus[sound] for name, sound in COMPANIONS.items()}
        self.kinds = tuple(self.samples)

    def make(self, number: int) -> tuple[str, str, bytes]:
        """Return kind, name and content of a spoiled file; kinds take turns."""
        kind = self.kinds[number % len(self.kinds)]
        name, content = self.samples[kind]
        return kind, name, mutate(content, Random(f"{self._seed} {number}"))

    def run(self, numbers: range) -> Iterator[Finding]:
        """Judge files by number."""
        for number in numbers:
            kind, name, content = self.make(number)
            fault = self.judge(kind, name, content)
            if fault is not None:
                yield Finding(kind, number, name, content, fault)

    def judge(self, kind: str, name: str, content: bytes) -> Fault | None:
        """Put one file beside its companions and read it."""
        folder = self._folder / kind
        folder.mkdir(exist_ok=True)
        for companion, sound in self._companions.items():
            if not (folder / companion).exists():
                (folder / companion).write_bytes(sound)
        path = folder / name
        path.write_bytes(content)
        try:
            with patch("os.fsync"):  # what readers write is thrown away
                return judge(READERS[kind], path)
        finally:
            path.unlink()


def find(numbers: range, seed: int) -> list[Finding]:
    """Judge files in a folder that is gone afterwards."""
    logging.getLogger("cryofocus").addHandler(logging.NullHandler())  # warnings are no faults
    with tempfile.TemporaryDirectory() as folder:
        return list(Campaign(Path(folder), seed).run(numbers))


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge as many files as were asked for; return how the command ends."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("n_files", type=int, help="how many spoiled files are read")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other files")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--processes", type=int, default=1, help="that share the work")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="for faults")
    asked = parser.parse_args(arguments)
    start, counts = time.monotonic(), Counter[str]()
    last = asked.first + asked.n_files
    shares = [range(at, min(at + N_AT_ONCE, last)) for at in range(asked.first, last, N_AT_ONCE)]
    with ExitStack() as stack:
        each: Callable[..., Iterator[list[Finding]]] = map
        if asked.processes > 1:
            each = stack.enter_context(ProcessPoolExecutor(asked.processes)).map
        for share, findings in zip(shares, each(find, shares, repeat(asked.seed)), strict=True):
            for finding in findings:
                counts[finding.fault.kind] += 1
                _keep(finding, asked.keep)
            say(
                f"{share.stop - asked.first} of {asked.n_files} files, "
                f"{time.monotonic() - start:.0f} s, faults: {dict(counts) or 'none'}"
            )
    return int(bool(counts))


def _keep(finding: Finding, folder: Path) -> None:
    """Keep a file that is a fault, and say what it did."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{finding.kind}_{finding.number}_{finding.name}"
    path.write_bytes(finding.content)
    say(f"{path}\n{finding.fault}\n")


def say(text: str) -> None:
    """Write a line that is seen at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
