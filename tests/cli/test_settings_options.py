"""Options are made of the fields of settings, and settings of what was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from cryofocus.cli.command import register
from cryofocus.cli.failures import Commands
from cryofocus.cli.settings_options import Given
from cryofocus.option import Option
from cryofocus.settings import Settings


class Oven(Settings):
    """How to bake.

    Attributes:
        heat_degrees: Temperature.
        is_convection: Whether air moves.
    """

    heat_degrees: float = Field(default=180.0, gt=0)
    is_convection: Annotated[bool, Option("--convection")] = False


class Flavour(Settings):
    """What it tastes of.

    Attributes:
        spice: What to add.
    """

    spice: Literal["none", "cumin", "salt"] = "none"


class Bread(Flavour):
    """What to bake.

    Attributes:
        flour: File of the recipe.
        n_loaves: Number of loaves.
        size_angstrom: Length, width and height.
        seeds: What is strewn on it.
        cuts: Where it is cut, and how
            deep the cuts are.
        secret: Not for everybody.
        oven: Where it is baked.
    """

    flour: Annotated[Path, Option(metavar="FLOUR", is_argument=True)]
    n_loaves: int = Field(default=2, ge=1)
    size_angstrom: Annotated[
        tuple[float, float, float] | None,
        Option(metavar="L,W,H", expected="three lengths such as 30,10,10"),
    ] = None
    seeds: tuple[str, ...] = ()
    cuts: Annotated[tuple[int, ...], Option(metavar="1,2,...", expected="numbers")] = ()
    secret: Annotated[int, Option(is_hidden=True)] = 7
    oven: Annotated[Oven, Option(panel="Oven", only=("heat_degrees",))] = Oven()


Bake = Callable[..., Any]


@pytest.fixture
def bake() -> Bake:
    """A program of one command; what it was called with is its answer."""
    program = typer.Typer(cls=Commands)

    def bread(settings: Bread, *, loud: bool = False) -> None:
        """Bake."""
        typer.echo(f"{settings!r} {loud}")

    def toast(oven: Annotated[Oven, Option(panel="Oven", only=("heat_degrees",))]) -> None:
        """Toast."""
        typer.echo(repr(oven))

    def dough(
        bread: Given[Bread], salt: Annotated[tuple[int, int], Option(metavar="A,B")]
    ) -> None:
        """Knead."""
        typer.echo(f"{bread.values} {salt}")

    for function in (bread, toast, dough):
        register(program, function, function.__name__)
    return lambda *words: CliRunner().invoke(program, words, env={"COLUMNS": "200"})


def test_options_say_what_fields_say(bake: Bake) -> None:
    """Name, help, default, bounds and choices are the field's; hidden ones are not offered."""
    said = " ".join(bake("bread", "--help").stdout.split())
    for words in (
        "FLOUR <path> File of the recipe.",
        "--loaves <int range> [x>=1] Number of loaves. [default: 2]",
        "--size L,W,H Length, width and height.",
        "Where it is cut, and how deep the cuts are.",
        "--spice <none|cumin|salt> What to add. [default: none]",
        "--heat <float> Temperature. [default: 180.0]",
    ):
        assert words in said.replace("│ ", "")
    assert "--secret" not in said
    assert "--convection" not in said


def test_settings_are_what_was_given(bake: Bake) -> None:
    """Texts with commas, values in a row, and settings inside others find their place."""
    words = "bread wheat --size 3 1 1.5 --seeds poppy sesame --cuts 1,2 --heat 200 --loud"
    expected = Bread(
        flour=Path("wheat"),
        size_angstrom=(3.0, 1.0, 1.5),
        seeds=("poppy", "sesame"),
        cuts=(1, 2),
        oven=Oven(heat_degrees=200.0),
    )
    assert bake(*words.split()).stdout == f"{expected!r} True\n"


def test_a_command_takes_what_matters_to_it(bake: Bake) -> None:
    """Of settings that commands share, each offers its own part, under its heading."""
    assert bake(*["toast", "--heat", "9"]).stdout == f"{Oven(heat_degrees=9.0)!r}\n"
    said = bake("toast", "--help").stdout
    assert "─ Oven ─" in said
    assert "--convection" not in said


def test_what_a_file_may_complete_is_left_open(bake: Bake) -> None:
    """Only what was typed is given, be it the default; nothing is missing."""
    said = bake(*["dough", "--loaves", "2", "--salt", "1,2", "--heat", "9"]).stdout
    assert said == "{'n_loaves': 2, 'oven': {'heat_degrees': 9.0}} (1, 2)\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bread", "Missing argument 'FLOUR'"),
        ("bread x --loaves 0", "expected 1 or more"),
        ("bread x --size 1,2", "--size: found '1,2', expected three lengths such as 30,10,10"),
        ("bread x --cuts 1,b", "--cuts: found '1,b', expected numbers"),
        ("bread x --heat 0", "Error: --heat (heat_degrees): found 0.0, expected greater than 0"),
    ],
)
def test_complaints_name_options(bake: Bake, words: str, message: str) -> None:
    """Whoever types options is told of options, with what was found and what is expected."""
    result = bake(*words.split())
    assert result.exit_code == 2
    assert message in result.stderr


def test_settings_complain_of_all_faults_at_once() -> None:
    """Faults inside other settings are told with the rest, and unknown names with advice."""
    with pytest.raises(Exception, match="n_loaves: found 0") as caught:
        Bread(flour="x", n_loaves=0, oven={"heat": 3})
    assert str(caught.value) == (
        "n_loaves: found 0, expected greater than or equal to 1; heat: unknown; check its spelling"
    )
