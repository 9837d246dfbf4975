"""What `--cluster` may say, and what the user reads when it says something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryofocus.errors import FormatError, InputError, SettingError
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.machine.cluster_choice import (
    ClusterChoice,
    LocalWorkers,
    SchedulerAddress,
    parse_cluster,
)
from cryofocus.workflows.machine.slurm_jobs import SlurmSettings


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
    """Anything else is refused, with the five ways to say it."""
    with pytest.raises(SettingError) as raised:
        parse_cluster(text)
    assert str(raised.value) == (
        f"cluster: found {text!r}, expected local, local:N, the address of a Dask scheduler such "
        "as tcp://host:8786, a YAML file about SLURM, or none for this process."
    )


def test_a_slurm_file(tmp_path: Path) -> None:
    """A file of names and values becomes checked settings."""
    assert parse_cluster(str(slurm_file(tmp_path, queue="long"))) == SlurmSettings(
        workers=4, cores=16, memory="64GB", queue="long"
    )


SOUND = {"workers": "4", "cores": "16", "memory": "64GB"}
MAY_HOLD = f" Correct the file; it may hold {', '.join(SlurmSettings.model_fields)}."
NO_TIME = (
    ', expected hours:minutes:seconds or another time of sbatch in quotes, such as "12:00:00" '
    "(without quotes YAML reads 1:00:00 as the number 3600)"
)
NO_SIZE = ", expected a size with its unit, such as 64GB, 64G or 64GiB"


def slurm_file(folder: Path, **changes: str | None) -> Path:
    """Write a file about SLURM with some lines replaced, or left out."""
    lines = {name: text for name, text in {**SOUND, **changes}.items() if text is not None}
    file = folder / "slurm.yaml"
    file.write_text("".join(f"{name}: {text}\n" for name, text in lines.items()))
    return file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"walltime": "1:00:00"}, f"walltime: found 3600{NO_TIME}"),
        ({"walltime": "720"}, f"walltime: found 720{NO_TIME}"),
        ({"walltime": "12h"}, f"walltime: found '12h'{NO_TIME}"),
        ({"walltime": "'1:2:3:4'"}, f"walltime: found '1:2:3:4'{NO_TIME}"),
        ({"walltime": ""}, f"walltime: found None{NO_TIME}"),
        ({"memory": "lots"}, f"memory: found 'lots'{NO_SIZE}"),
        ({"memory": "64"}, f"memory: found 64{NO_SIZE}"),
        ({"memory": "1.2.3GB"}, f"memory: found '1.2.3GB'{NO_SIZE}"),
        ({"memory": "0GB"}, f"memory: found '0GB'{NO_SIZE}"),
        ({"memory": "-64GB"}, f"memory: found '-64GB'{NO_SIZE}"),
        ({"cores": None}, "cores: missing; give a value"),
        (
            {"workers": None, "memory": None},
            "workers: missing; give a value; memory: missing; give a value",
        ),
        ({"que": "long"}, "que: unknown; did you mean queue?"),
        ({"nodes": "2"}, "nodes: unknown; check its spelling"),
        ({"workers": "0"}, "workers: found 0, expected greater than or equal to 1"),
        ({"workers": "yes"}, "workers: found True, expected a whole number"),
        ({"cores": "-3"}, "cores: found -3, expected greater than or equal to 1"),
        ({"cores": "1.5"}, "cores: found 1.5, expected a whole number"),
        ({"wait_minutes": "0"}, "wait_minutes: found 0, expected greater than 0"),
        ({"wait_minutes": ".inf"}, "wait_minutes: found inf, expected a finite number"),
        ({"queue": "7"}, "queue: found 7, expected a text, in quotes"),
        (
            {"job_extra_directives": "--gres=gpu:1"},
            "job_extra_directives: found '--gres=gpu:1', expected a list",
        ),
    ],
)
def test_a_faulty_value_in_a_slurm_file(
    tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    """Each fault is named before SLURM sees it: the file, what was found, what is expected."""
    file = slurm_file(tmp_path, **changes)
    with pytest.raises(FormatError) as raised:
        parse_cluster(str(file))
    end = "" if message.endswith("?") else "."
    assert str(raised.value) == f"{file}: {message}{end}{MAY_HOLD}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("walltime", '"1:00:00"', "1:00:00"),
        ("walltime", "01:00:00", "01:00:00"),
        ("walltime", "2-12", "2-12"),
        ("walltime", "7-00:30:00", "7-00:30:00"),
        ("walltime", "'90'", "90"),
        ("walltime", "UNLIMITED", "UNLIMITED"),
        ("memory", "64G", "64G"),
        ("memory", "0.5 TiB", "0.5 TiB"),
        ("memory", "1500mb", "1500mb"),
    ],
)
def test_ways_to_write_times_and_sizes(tmp_path: Path, name: str, text: str, value: str) -> None:
    """What sbatch and dask-jobqueue take is taken."""
    settings = parse_cluster(str(slurm_file(tmp_path, **{name: text})))
    assert getattr(settings, name) == value
    if name == "memory":
        assert pytest.importorskip("dask.utils").parse_bytes(value) > 10**9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "holds no names and values; expected some of workers, cores, memory"),
        ("a: [", "cannot be read as YAML"),
        ("!!python/object/apply:os.system ['true']", "the tag tag:yaml.org,2002:python/object"),
        (None, "cannot be read (No such file or directory). Check the path."),
    ],
)
def test_what_is_no_slurm_file(tmp_path: Path, text: str | None, message: str) -> None:
    """A file that holds something else is named."""
    file = tmp_path / "slurm.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(FormatError, match=f"^{file}(, line 1)?: {re.escape(message)}"):
        parse_cluster(str(file))


def test_whole_images_are_not_spread() -> None:
    """The strategy that keeps whole images is refused before anything starts."""
    settings = {"n_classes": 2, "strategy": "mask2d"}
    with pytest.raises(InputError) as raised:
        ClassifyRequest(
            **{
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
