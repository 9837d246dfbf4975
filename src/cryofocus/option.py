"""What the command line has to be told of a setting beside its field; loads nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields

COUNT_OR_UNIT = re.compile(r"^n_|_(angstrom|degrees|gb)$")


@dataclass(frozen=True, repr=False)
class Option:
    """How the command line takes a setting, where that does not follow from its field.

    Attributes:
        name: Of the option, such as `--cycles`; by default the field's, without count and unit.
        short: Of the option, such as `-o`.
        help: Of a parameter that is no field; of a field, what follows its docstring.
        metavar: What stands for the value in the help. With commas in it, several values are
            given as one text, such as `X,Y,Z,R`.
        panel: Heading in the help; of a field that holds settings, the heading of all of them.
        choices: The values the command line offers, if not all.
        expected: What the values are, for the message that refuses others.
        read: Makes the value of a text; raises ValueError.
        is_argument: Given by its place, without a name.
        is_required: Has to be given, though Python has a default.
        is_hidden: Not offered; a matter of Python and configuration files.
        only: Of a field that holds settings, those that matter to the command; all by default.
    """

    name: str | None = None
    short: str | None = None
    help: str | None = None
    metavar: str | None = None
    panel: str | None = None
    choices: tuple[str, ...] = ()
    expected: str = ""
    read: Callable[[str], object] | None = None
    is_argument: bool = False
    is_required: bool = False
    is_hidden: bool = False
    only: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say what is not as usual: signatures of settings in `help` hold an option per field."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        usual = {one.name: one.default for one in fields(self)}
        unusual = (f"{name}={value!r}" for name, value in said.items() if value != usual[name])
        return f"Option({', '.join(unusual)})"

    def word(self, field: str) -> str:
        """Return what command line and Python call a field: `cycles` for `--cycles`."""
        name = self.name or COUNT_OR_UNIT.sub("", field)
        return name.removeprefix("--").replace("-", "_")


PLAIN = Option()
"""Of a field that says everything itself."""
