"""Requests: what is refused, and how a configuration and options come together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.errors import CryofocusError, FormatError, SettingError
from cryofocus.workflows.classify.request import ClassifyRequest, read_config

SOUND = {"particles": "p.star", "focus": [1.0, 2.0, 3.0, 4.0], "settings": {"n_classes": 2}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": {"n_classes": 1}},
            "n_classes: found 1, expected a number of classes, at least 2, or auto",
        ),
        ({"settings": {"n_classes": 2, "n_run": 3}}, r"n_run: unknown; did you mean n_runs\?"),
        ({"settings": {}}, "n_classes: missing; give a value"),
        ({"threads": 0}, "threads: found 0, expected greater than or equal to 1"),
        ({"memory_gb": -1}, "memory_gb: found -1, expected greater than 0"),
        ({"device": "abacus"}, "device: found 'abacus', expected 'cpu', 'cuda' or 'reference'"),
        (
            {"cluster": "local:2", "device": "cuda"},
            "memory_gpu: found none, but the workers of cluster local:2 and this program share "
            "the GPU. Give what each of them may take with --memory-gpu.",
        ),
        ({"scaffold_every": 5}, "scaffold_every: found 5, but no scaffold to fit classes to"),
        ({"focus": None}, "focus and mask: found neither, expected one of them"),
        ({"mask": "m.mrc"}, "focus and mask: found both, expected one of them"),
        ({"mask": "m.mrc", "focus": None, "map": "map.mrc"}, "Leave --map out"),
        (
            {"settings": {"n_classes": 2, "fitted_scale": True}},
            "fitted_scale: found True, but the strategy is residual, which does not use it. Leave "
            "it out, or choose --strategy mask2d.",
        ),
        (
            {"settings": {"n_classes": 2, "strategy": "mask2d", "projection_threshold": 0.5}},
            "projection_threshold: found 0.5, but the region is a sphere, which does not use it. "
            "Leave it out, or choose --mask.",
        ),
        (
            {
                "mask": "m.mrc",
                "focus": None,
                "settings": {"n_classes": 2, "strategy": "mask2d", "circle_edge_angstrom": 5.0},
            },
            "circle_edge_angstrom: found 5.0, but the region is a mask file, which does not use "
            "it. Leave it out, or choose --focus.",
        ),
    ],
)
def test_wrong_value_is_named(changes: dict[str, object], message: str) -> None:
    """A wrong value gives its name, what was found and what is expected."""
    with pytest.raises(SettingError, match=message):
        ClassifyRequest(**{**SOUND, **changes})


def test_configuration_survives_writing_and_reading(tmp_path: Path) -> None:
    """config.yaml holds the whole request."""
    request = ClassifyRequest(**{**SOUND, "datadir": "images", "memory_gb": 2.5})
    (tmp_path / "config.yaml").write_text(request.to_yaml())
    assert read_config(tmp_path / "config.yaml") == request


def test_options_take_precedence_over_the_configuration(tmp_path: Path) -> None:
    """Given settings replace those of the file one by one, and a mask replaces a sphere."""
    path = tmp_path / "config.yaml"
    path.write_text(ClassifyRequest(**SOUND).to_yaml())
    changed = read_config(path, {"mask": Path("m.mrc"), "settings": {"seed": 7}})
    assert (changed.mask, changed.focus) == (Path("m.mrc"), None)
    assert (changed.settings.seed, changed.settings.n_classes) == (7, 2)


def test_no_cluster_overrides_that_of_the_configuration(tmp_path: Path) -> None:
    """A cluster that the file names, and that is gone, can be given up on the command line."""
    path = tmp_path / "config.yaml"
    path.write_text(ClassifyRequest(**{**SOUND, "cluster": "tcp://gone:8786"}).to_yaml())
    assert read_config(path).machine.cluster == "tcp://gone:8786"
    assert read_config(path, {"cluster": "none"}).machine.cluster is None
    assert ClassifyRequest(**{**SOUND, "cluster": "none"}) == ClassifyRequest(**SOUND)


@pytest.mark.parametrize("text", [None, "just words", "a: [", "settings: 3", "box: 48"])
def test_unreadable_configuration_is_refused(tmp_path: Path, text: str | None) -> None:
    """A missing file and one that is no configuration are named."""
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(
        FormatError, match=r"config\.yaml: (cannot be read|holds no settings)"
    ) as e:
        read_config(path)
    assert isinstance(e.value, CryofocusError)


def test_names_that_mean_nothing_are_told_with_advice(tmp_path: Path) -> None:
    """Names that classify does not know are told, with the file and what may have been meant."""
    path = tmp_path / "dataset.yaml"
    path.write_text("scenario: 1\nfocus: [1, 2, 3, 4]\nseed: 1\nthread: 2\n")
    with pytest.raises(FormatError) as caught:
        read_config(path)
    assert str(caught.value) == (
        f"{path}: scenario: unknown, check its spelling; seed: unknown, it belongs under "
        "settings; thread: unknown, did you mean threads?"
    )


def test_faults_of_the_file_are_told_apart_from_those_of_options(tmp_path: Path) -> None:
    """What is wrong in a configuration names the file; what is wrong beside it does not."""
    path = tmp_path / "config.yaml"
    path.write_text("particles: a.star\nfocus: [1, 2, 3, 4]\nsettings: {n_clases: 2}\n")
    with pytest.raises(SettingError) as caught:
        read_config(path)
    assert str(caught.value) == (
        f"{path}: n_classes: missing; give a value; n_clases: unknown; did you mean n_classes?"
    )
    path.write_text(ClassifyRequest(**SOUND).to_yaml())
    with pytest.raises(SettingError, match=r"^n_runs: found 0, expected greater"):
        read_config(path, {"settings": {"n_runs": 0}})


@pytest.mark.parametrize("text", ["focus: 2001-99-99", "focus: " + "9" * 5000, "[" * 3000])
def test_what_the_parser_stumbles_over_is_no_yaml(tmp_path: Path, text: str) -> None:
    """Impossible dates, endless numbers and endless nesting are refused like any other text."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    refused = r"config\.yaml(: cannot be read as YAML|, line 1: a value of|, line 1: lists within)"
    with pytest.raises(FormatError, match=refused):
        read_config(path)
