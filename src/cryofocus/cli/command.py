"""A command of the program: reads its options when it is needed, and speaks of settings by them.

A command is a function of the same arguments as the Python function it calls. Its signature is
read when it is called or asked for help, not before: settings bring NumPy along, for which
`cryofocus --help` need not wait.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand

from cryofocus.cli import hints
from cryofocus.cli.settings_options import read_options
from cryofocus.errors import SettingError

# Options of numbers with commas between them are easily typed with blanks instead.
OF_NUMBERS = re.compile(r"[A-Z]+(,[A-Z]+)+")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?,?", re.IGNORECASE)
# `n_runs: found 0 ...; seed: found ...`
COMPLAINT = re.compile(
    r"(?P<before>^|; )(?P<names>[a-z_]+(?: and [a-z_]+)*)(?P<after>(?:\.\d+)?: )"
)


class Command(TyperCommand):
    """A command of the program; made by `register`.

    Attributes:
        function: What it does.
        names: What the command line calls settings; None until the function is read.
    """

    function: Callable[..., None]
    names: Mapping[str, str] | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        """Read arguments and options off the function, once."""
        if self.names is None:
            called, self.names = read_options(type(self).function)
            app = typer.Typer(add_completion=False)
            app.command()(called)
            command: Any = typer.main.get_command(app)
            self.params, self.callback = command.params, command.callback
        params: list[Any] = super().get_params(ctx)
        hints.hide_types_of_switches(params)
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options take several values in a row."""
        params = self.get_params(ctx)
        repeated = [name for p in params if getattr(p, "multiple", False) for name in p.opts]
        joined = [name for p in params if OF_NUMBERS.fullmatch(p.metavar or "") for name in p.opts]
        self._refuse_unknown_options(args, params, ctx)
        self._refuse_options_as_values(args, params, ctx)
        if (twice := hints.find_repeated(args, params)) is not None:
            raise hints.UsageError(f"{twice}: given more than once, but takes one value.", ctx)
        example = hints.find_example(self.help or "")
        if not args and example and any(p.required for p in params):
            raise hints.UsageError(
                hints.explain_missing("Nothing was given", self.help or ""), ctx
            )
        try:
            return super().parse_args(ctx, tidy_arguments(args, repeated, joined))
        except hints.UsageError as error:
            raise self._explained(error, params, args) from error

    @staticmethod
    def _refuse_options_as_values(args: Sequence[str], params: Sequence[Any], ctx: Any) -> None:
        """Let no option take the next one as its value, which would then be missing itself."""
        valued = {name for p in params if not getattr(p, "is_flag", True) for name in p.opts}
        given = args[: args.index("--")] if "--" in args else args
        for option, value in pairwise(given):
            if option in valued and value.startswith("-") and not hints.NEGATIVE.match(value):
                raise hints.UsageError(
                    f"{option}: expected a value, found {value}, which reads as an option.",
                    ctx,
                )

    def _refuse_unknown_options(
        self, args: Sequence[str], params: Sequence[Any], ctx: Any
    ) -> None:
        """Tell of all options that there are not at once, unless others are taken as well."""
        if ctx.allow_extra_args:
            return
        known = {name for p in params for name in (*p.opts, *p.secondary_opts)}
        known |= set(ctx.help_option_names)
        given = dict.fromkeys(hints.given_options(args))
        unknown = [name for name in given if name not in known]
        if unknown:
            raise hints.UsageError(hints.explain_unknown(unknown, params, self._others(ctx)), ctx)

    def _explained(self, error: Any, params: Sequence[Any], args: Sequence[str]) -> Any:
        """Say what is meant, where a command line is not right."""
        if hasattr(error, "param_type"):
            takes_table = any(param.name == "particles" for param in params)
            first = args[0] if args and takes_table else ""
            text = hints.explain_missing(error.format_message(), self.help or "", first)
            return hints.UsageError(text, error.ctx)
        error.message = hints.explain_extra(hints.explain_choice(error.message), params)
        return error

    def _others(self, ctx: Any) -> dict[str, list[Any]]:
        """Return the parameters of the commands beside this one, by their names."""
        beside = getattr(getattr(ctx.parent, "command", None), "commands", {})
        return {
            name: one.get_params(ctx)
            for name, one in beside.items()
            if one is not self and isinstance(one, Command)
        }

    def invoke(self, ctx: Any) -> Any:
        """Run; call settings in a complaint as the command line calls them."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise SettingError(name_options(str(error), self.names or {})) from error


def register(app: typer.Typer, function: Callable[..., None], name: str, **others: Any) -> None:
    """Make a function a command.

    Args:
        app: Program or family that the command belongs to.
        function: Its docstring is the help. It takes settings, what an `Option` annotates, and
            what Typer takes.
        name: Of the command.
        **others: As `typer.Typer.command` takes them.
    """
    kind = type("Command", (Command,), {"function": staticmethod(function)})
    app.command(name, cls=kind, help=inspect.getdoc(function), **others)(_not_read_yet)


def _not_read_yet() -> None:
    """Stand in for a function until its signature is needed."""


def name_options(message: str, names: Mapping[str, str]) -> str:
    """Call settings at the start of a complaint as the command line calls them.

    Args:
        message: Complaints as `name: ...`, separated by semicolons, in the words of Python and
            YAML.
        names: What the command line calls each setting.
    """
    if COMPLAINT.match(message) is None:
        return message  # about a file, whose own words count

    def rename(match: re.Match[str]) -> str:
        said = [names.get(name, name) for name in match["names"].split(" and ")]
        return match["before"] + " and ".join(said) + match["after"]

    return COMPLAINT.sub(rename, message)


def tidy_arguments(
    arguments: Sequence[str], repeated: Sequence[str], joined: Sequence[str]
) -> list[str]:
    """Bring a command line into the one form that is parsed.

    Args:
        arguments: As they were typed.
        repeated: Options of several values, each of which is given its option: `--o A B` becomes
            `--o A --o B`.
        joined: Options of numbers, with blanks or commas between them: `--focus 1 2 3 4` becomes
            `--focus 1,2,3,4`.
    """
    return _repeat_options(_join_numbers(arguments, joined), repeated)


def _join_numbers(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for argument in arguments:
        follows = len(joined) > 1 and joined[-2] in options and NUMBER.fullmatch(argument)
        if follows and all(NUMBER.fullmatch(part) for part in joined[-1].rstrip(",").split(",")):
            joined[-1] = f"{joined[-1].rstrip(',')},{argument}"
        else:
            joined.append(argument)
    return joined


def _repeat_options(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    spread_out: list[str] = []
    option: str | None = None
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in options else None
        elif option is not None and spread_out[-1] != option:
            spread_out.append(option)
        spread_out.append(argument)
    return spread_out
