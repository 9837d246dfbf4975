"""Requests: what is refused, and how a configuration and options come together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.errors import CryofocusError, FormatError, SettingError
from cryofocus.workflows.classify_request import make_request, read_config

SOUND = {"particles": "p.star", "focus": [1.0, 2.0, 3.0, 4.0], "settings": {"n_classes": 2}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": {"n_classes": 1}},
            "n_classes: found 1, expected greater than or equal to 2",
        ),
        ({"settings": {"n_classes": 2, "n_run": 3}}, "n_run: unknown; check its spelling"),
        ({"settings": {}}, "n_classes: missing; give a value"),
        ({"threads": 0}, "threads: found 0, expected greater than or equal to 1"),
        ({"memory_gb": -1}, "memory_gb: found -1, expected greater than 0"),
        ({"device": "abacus"}, "device: found 'abacus', expected 'cpu' or 'reference'"),
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
        make_request({**SOUND, **changes})


def test_configuration_survives_writing_and_reading(tmp_path: Path) -> None:
    """config.yaml holds the whole request."""
    request = make_request({**SOUND, "datadir": "images", "memory_gb": 2.5})
    (tmp_path / "config.yaml").write_text(request.to_yaml())
    assert read_config(tmp_path / "config.yaml") == request


def test_options_take_precedence_over_the_configuration(tmp_path: Path) -> None:
    """Given settings replace those of the file one by one, and a mask replaces a sphere."""
    path = tmp_path / "config.yaml"
    path.write_text(make_request(SOUND).to_yaml())
    changed = read_config(path, {"mask": Path("m.mrc"), "settings": {"seed": 7}})
    assert (changed.mask, changed.focus) == (Path("m.mrc"), None)
    assert (changed.settings.seed, changed.settings.n_classes) == (7, 2)


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


def test_a_file_of_other_names_is_no_configuration(tmp_path: Path) -> None:
    """Names that classify does not know are told, with the file they stand in."""
    path = tmp_path / "dataset.yaml"
    path.write_text("scenario: 1\nfocus: [1, 2, 3, 4]\nsnr: 0.1\n")
    with pytest.raises(FormatError, match=r"dataset\.yaml: scenario, snr mean nothing to cl"):
        read_config(path)
