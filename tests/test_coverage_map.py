"""Every module has a test: one that bears its name, or the one that the table names."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

from coverage_map import TESTED_IN

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "cryofocus"
MODULES = {
    path.relative_to(SOURCE).with_suffix("").as_posix()
    for path in SOURCE.rglob("*.py")
    if path.stem != "__init__"
}


def own_test(module: str) -> str:
    """Return where the test that bears the name of a module would be."""
    path = Path(module)
    return (path.parent / f"test_{path.name}").as_posix()


def exists(test: str) -> bool:
    return (TESTS / f"{test}.py").is_file()


@cache
def public_names() -> dict[str, str]:
    """Return the module that each public name of the package is from."""
    stub = ast.parse((SOURCE / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.name: f"cryofocus.{node.module}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def imports(path: Path) -> frozenset[Path]:
    """Return the files of the package and of the tests that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module="cryofocus", names=names):
                found |= {public_names().get(alias.name, "") for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} | {f"{module}.{alias.name}" for alias in names}
            case ast.Attribute(value=ast.Name(id="cryofocus"), attr=name):
                found.add(public_names().get(name, ""))
    return frozenset(file for name in found for file in files_of(name))


def files_of(name: str) -> list[Path]:
    """Return the file of a module of the package or of a helper of the tests."""
    root = SOURCE.parent if name.startswith("cryofocus.") else TESTS
    file = root / f"{name.replace('.', '/')}.py"
    return [file] if file.is_file() else []


def reached(test: str) -> set[Path]:
    """Return all files that a test file and its fixtures lead to."""
    file = TESTS / f"{test}.py"
    waiting = [file, *(folder / "conftest.py" for folder in file.parents)]
    waiting = [path for path in waiting if path.is_file() and TESTS in path.parents]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(path)
    return found


def test_every_module_has_its_test() -> None:
    """A module has a test file of its name, or stands in the table, once."""
    named = Counter(module for modules in TESTED_IN.values() for module in modules)
    without = {module for module in MODULES if not exists(own_test(module))}
    assert without - set(named) == set(), "write a test, or enter them in tests/coverage_map.py"
    assert set(named) - without == set(), "gone, or with a test of their own by now"
    assert [module for module, n_times in named.items() if n_times > 1] == []


def test_tests_lead_to_what_they_test() -> None:
    """The test files of the table are there, and they and all others import what they test."""
    assert [test for test in TESTED_IN if not exists(test)] == []
    tested = {own_test(module): (module,) for module in MODULES if exists(own_test(module))}
    unreached = {
        (test, module)
        for table in (TESTED_IN, tested)
        for test, modules in table.items()
        for module in modules
        if SOURCE / f"{module}.py" not in reached(test)
    }
    assert unreached == set()
