"""What `--cluster` may say, and what the user reads when it says something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryofocus.errors import FormatError, InputError, SettingError
from cryofocus.workflows.classify_request import make_request
from cryofocus.workflows.cluster_choice import (
    ClusterChoice,
    LocalWorkers,
    SchedulerAddress,
    SlurmSettings,
    parse_cluster,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local", LocalWorkers(None)),
        ("local:3", LocalWorkers(3)),
        ("tcp://node7:8786", SchedulerAddress("tcp://node7:8786")),
        ("tls://[::1]:8786", SchedulerAddress("tls://[::1]:8786")),
    ],
)
def test_words_and_addresses(text: str, expected: ClusterChoice) -> None:
    """Each way to say it is understood."""
    assert parse_cluster(text) == expected


@pytest.mark.parametrize("text", ["", "local:0", "local:", "node7", "tcp://node7", "slurm"])
def test_what_is_none_of_these(text: str) -> None:
    """Anything else is refused, with the four ways to say it."""
    with pytest.raises(SettingError) as raised:
        parse_cluster(text)
    assert str(raised.value) == (
        f"cluster: found {text!r}, expected local, local:N, the address of a Dask scheduler such "
        "as tcp://host:8786, or a YAML file about SLURM."
    )


def test_a_slurm_file(tmp_path: Path) -> None:
    """A file of names and values becomes checked settings."""
    file = tmp_path / "slurm.yaml"
    file.write_text("workers: 4\ncores: 16\nmemory: 64GB\nqueue: long\n")
    assert parse_cluster(str(file)) == SlurmSettings(
        workers=4, cores=16, memory="64GB", queue="long"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers: 0\ncores: 1\nmemory: 1GB\n", "workers: found 0, expected greater than"),
        ("workers: 1\nmemory: 1GB\n", "cores: missing"),
        ("workers: 1\ncores: 1\nmemory: 1GB\nque: a\n", "que: unknown"),
        ("workers: 1\ncores: 1\nmemory: lots\n", "memory: found 'lots', expected"),
        ("just words", "holds no names and values; expected some of workers, cores, memory"),
        ("a: [", "cannot be read as YAML"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        (None, "cannot be read (No such file or directory). Check the path."),
    ],
)
def test_a_faulty_slurm_file(tmp_path: Path, text: str | None, message: str) -> None:
    """Each fault is named, with the file."""
    file = tmp_path / "slurm.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(FormatError, match=f"^{re.escape(f'{file}: {message}')}"):
        parse_cluster(str(file))


def test_whole_images_are_not_spread() -> None:
    """The strategy that keeps whole images is refused before anything starts."""
    settings = {"n_classes": 2, "strategy": "mask2d"}
    with pytest.raises(InputError) as raised:
        make_request(
            {
                "particles": "a.star",
                "focus": (0, 0, 0, 9),
                "cluster": "local",
                "settings": settings,
            }
        )
    assert str(raised.value) == (
        "cluster: the strategy mask2d keeps whole images, which are not spread over workers. "
        "Choose another strategy, or leave --cluster out."
    )
