"""Docstrings have Google's sections, and what they name exists; part of check_house_rules.py.

An entry is ``name: prose``; types stand in the signature. Who reads the page of the Python
interface sees both side by side, so the names have to be the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

SECTION = re.compile(r"(Args|Attributes):")
UNDERLINE = re.compile(r"[-=]{3,}")
HEADING = re.compile(r"[A-Z][a-z]+( [A-Z][a-z]+)?")
ENTRY = re.compile(r" {4}(?P<name>\S[^:]*?): +\S")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Problem = tuple[int, str]


def find_problems(tree: ast.Module) -> Iterator[Problem]:
    """Return line and complaint for each docstring of a file that breaks the dialect."""
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            first_line = node.body[0].lineno
            lines = text.splitlines()
            for number, message in [*_underlined(lines), *_unknown(node, lines)]:
                yield first_line + number, message


def _underlined(lines: list[str]) -> Iterator[Problem]:
    """Find headings of another dialect."""
    for number, line in enumerate(lines[1:], 1):
        if UNDERLINE.fullmatch(line.strip()) and HEADING.fullmatch(lines[number - 1].strip()):
            yield number, f"{lines[number - 1].strip()}: write sections as 'Args:', 'Returns:'"


def _unknown(node: Documented, lines: list[str]) -> Iterator[Problem]:
    """Compare the names in sections with those of the code."""
    for number, line in enumerate(lines):
        section = SECTION.fullmatch(line)
        if section is None:
            continue
        entries: dict[str, int] = {}
        for at, below in enumerate(lines[number + 1 :], number + 1):
            if below and not below.startswith(" "):
                break
            if not below or below.startswith(" " * 5):
                continue
            if entry := ENTRY.match(below):
                entries[entry["name"]] = at
            else:
                yield at, f"'{below.strip()}': write 'name: prose', one name per line"
        known = _attributes(node) if section[1] == "Attributes" else _parameters(node)
        if known is None:
            continue
        for name, at in entries.items():
            if name not in known:
                yield at, f"{section[0]} '{name}' is no name of the code"
        if section[1] == "Args" and (missing := [name for name in known if name not in entries]):
            yield number, f"Args: without {', '.join(missing)}"


def _parameters(node: Documented) -> list[str] | None:
    """Return the parameters of a function or, for a class, of what builds it."""
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            named = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
            starred = [f"*{args.vararg.arg}"] if args.vararg else []
            starred += [f"**{args.kwarg.arg}"] if args.kwarg else []
            return [name for name in (*named, *starred) if name not in ("self", "cls")]
        case ast.ClassDef(body=body):
            for statement in body:
                if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                    return _parameters(statement)
            return [s.target.id for s in body if _is_field(s)]
        case _:
            return None


def _is_field(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)


def _attributes(node: Documented) -> set[str] | None:
    """Return the names that a class or module defines itself, wherever in it."""
    if not isinstance(node, ast.ClassDef | ast.Module):
        return None
    names: set[str] = set()
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            names |= {statement.name, *_set_on_self(statement)}
        elif isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif _is_field(statement):
            names.add(statement.target.id)
    return names


def _set_on_self(method: ast.FunctionDef) -> set[str]:
    return {
        node.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
