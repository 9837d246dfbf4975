"""Errors name arguments where Python asked, and options on the command line."""

from __future__ import annotations

import ast
import inspect
from itertools import product
from pathlib import Path

import pytest

import cryofocus
from cryofocus.api.wording import name_words
from cryofocus.errors import (
    COMMAND as COMMANDS,
)
from cryofocus.errors import (
    OPTION,
    CryofocusError,
    Interrupted,
    SettingError,
    name_arguments,
    on_the_command_line,
)
from cryofocus.logs import get_logger

SOURCE = Path(cryofocus.__file__).parent
COMMAND = "Run cryofocus align search x --symmetry C2. Add "


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Give a sphere with --focus X,Y,Z,R.", "Give a sphere with focus=(X, Y, Z, R)."),
        ("or a mask file with --mask.", "or a mask file with mask."),
        ("Give a lower --max-resolution 8, or", "Give a lower max_resolution=8, or"),
        (COMMAND + "--map.", COMMAND + "map."),
        (
            "(cryofocus select ../RUN --min-posterior 0.9 -o a.star). Or -o.",
            "(cryofocus select ../RUN --min-posterior 0.9 -o a.star). Or output.",
        ),
        ("Or compute with --device cpu.", 'Or compute with device="cpu".'),
        ("or give --ctf none if", 'or give ctf="none" if'),
        ("Or --focus auto; --focus for one.", 'Or focus="auto"; focus for one.'),
        (
            "Choose another with -o, or --overwrite.",
            "Choose another with output, or overwrite=True.",
        ),
        ("a -- b, non--option", "a -- b, non--option"),
    ],
)
def test_options_become_arguments(said: str, heard: str) -> None:
    """Every option of a message is an argument; commands to type stay as they are typed."""
    assert name_arguments(said) == heard


def test_only_python_hears_arguments() -> None:
    """One function says one thing to Python and another to the command line."""

    error = SettingError("seed: found -1. Give --seed 1.")
    assert str(error) == "seed: found -1. Give seed=1."
    assert str(Interrupted("stopped; go on with --resume")) == "stopped; go on with resume=True"
    with on_the_command_line():
        assert str(error) == "seed: found -1. Give --seed 1."


def test_classify_takes_and_names_the_words_of_the_command(tmp_path: Path) -> None:
    """A sphere as the command takes it is read; a complaint names the word that was given."""
    table = tmp_path / "t.star"
    with pytest.raises(CryofocusError, match=r"focus=\(X, Y, Z, R\)"):
        cryofocus.classify(table, tmp_path / "r", classes=2)
    with pytest.raises(CryofocusError, match=r"^classes: found 1, expected"):
        cryofocus.classify(table, tmp_path / "r", classes=1, focus="142,118,97,30")
    with pytest.raises(CryofocusError, match=r"focus: found '1,2', expected four numbers in Å"):
        cryofocus.classify(table, tmp_path / "r", classes=2, focus="1,2")
    asked = {"particles": table, "focus": "142, 118,97,30", "settings": {"n_classes": 2}}
    assert cryofocus.ClassifyRequest(**asked).focus == (142.0, 118.0, 97.0, 30.0)
    assert name_words("n_runs: found 0; seed: x", {"n_runs": "runs"}) == "runs: found 0; seed: x"


def wrong_calls(folder: Path) -> dict[str, list[str]]:
    """Call every public function and class with nothing that can be used; what each says."""
    (folder / "text.star").write_text("not a table\n")
    values = (folder / "missing.star", folder / "text.star")
    heard: dict[str, list[str]] = {}
    for name in cryofocus.__all__:
        callables = [getattr(cryofocus, name)]
        callables += [
            getattr(callables[0], entry)
            for entry in ("read", "from_file", "open", "load")
            if inspect.isclass(callables[0]) and hasattr(callables[0], entry)
        ]
        for value, asked in product(values, callables):
            if not callable(asked) or name.startswith(("place", "simulate", "Cryofocus")):
                continue
            needed = [
                parameter
                for parameter in inspect.signature(asked).parameters.values()
                if parameter.default is parameter.empty
                and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            ]
            try:
                asked(*[(1,) if p.name == "classes" else value for p in needed])
            except CryofocusError as error:
                heard.setdefault(name, []).append(str(error))
            except Exception:  # noqa: BLE001  # arrays were expected: another test's matter
                continue
    return heard


def test_no_function_names_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever public function is asked wrongly, its message names no option."""
    monkeypatch.chdir(tmp_path)
    heard = wrong_calls(tmp_path)
    assert {"select", "reconstruct", "subtract", "revert", "fsc", "convert"} <= heard.keys()
    assert len(heard) > 25
    assert [text for texts in heard.values() for text in texts if options_in(text)] == []


def test_no_message_of_the_source_keeps_an_option() -> None:
    """Of every text that is raised, what Python hears names no option."""
    texts = [
        piece.value
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        for piece in ast.walk(node)
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
    ]
    naming = [text for text in texts if OPTION.search(text)]
    assert len(naming) > 80
    assert [text for text in naming if options_in(name_arguments(text))] == []


def options_in(text: str) -> list[str]:
    """Options that a text names outside commands to type."""
    return OPTION.findall("".join(COMMANDS.split(text)[::2]))


def test_log_names_arguments_too(caplog: pytest.LogCaptureFixture) -> None:
    """A logged message is worded like an error; commands in it stay."""
    logger = get_logger("cryofocus.example")
    assert len(get_logger("cryofocus.example").filters) == 1
    logger.warning("%s: repeat with --runs %d, or type cryofocus select x --classes 1", "run", 3)
    with on_the_command_line():
        logger.warning("add --datadir %s", "x")
    assert caplog.messages == [
        "run: repeat with runs=3, or type cryofocus select x --classes 1",
        "add --datadir x",
    ]


def test_whoever_logs_options_words_them() -> None:
    """A module that logs the name of an option has the logger that knows how to say it."""
    naming = [path for path in SOURCE.rglob("*.py") if logs_options(path)]
    assert len(naming) > 5
    plain = "logger = logging.getLogger(__name__)"
    assert [path for path in naming if plain in path.read_text(encoding="utf-8")] == []


def logs_options(path: Path) -> bool:
    """Whether what a module logs names an option."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"info", "warning", "error"}
    ]
    return any(
        isinstance(piece, ast.Constant) and options_in(str(piece.value))
        for call in calls
        for piece in ast.walk(call)
    )
