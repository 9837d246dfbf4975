"""House rules that ruff and mypy cannot express; prints each breach and exits with 1 if any.

Usage: ``python scripts/check_house_rules.py [ROOT]``. Size of functions, number of parameters,
star imports, blind excepts, prints and commented-out code are ruff's; what may import what, and
that nothing is circular, import-linter's (pyproject.toml).
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docstring_rules import find_problems

MAX_FILE_LINES = 400
MAX_MEDIAN_LINES = 150
MAX_MEDIAN_FUNCTION_LINES = 10
MAX_FOLDER_FILES = 25
FOLDERS = ("src", "tests", "scripts", "benchmarks")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
LEFT_OVER_NAME = re.compile(r"_(old|v[0-9]+|legacy)$")
NOQA_WITH_REASON = re.compile(r"#\s*noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* +\S")
IGNORE_WITH_CODE = re.compile(r"#\s*type: ignore\[[a-z0-9, -]+\]")
# Calls that touch the outside world: not while a module is being imported.
WORLD = {
    *("open", "print", "getenv", "putenv", "basicConfig", "getcwd", "cwd"),
    *("mkdir", "makedirs", "exists", "read_text", "write_text", "set_num_threads", "seed"),
}
# Typer collects the commands of an application by calls at module level.
REGISTRATION = {"register", "add_typer", "callback", "command"}
COMPILERS = {"njit", "jit"}
COMPILER_OPTIONS = {"cache", "fastmath"}


@dataclass(frozen=True)
class Breach:
    """One broken rule: where, and what to do."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Module:
    """One source file, read and parsed once; the path is relative to the repository."""

    path: Path
    text: str
    tree: ast.Module

    def breach(self, line: int, message: str) -> Breach:
        """Tie a message to a line of this file."""
        return Breach(self.path, line, message)

    @property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()

    @property
    def is_package_code(self) -> bool:
        """Whether users run this file."""
        return self.path.parts[0] == "src"

    @property
    def is_test(self) -> bool:
        """Whether pytest collects this file."""
        return self.path.parts[0] == "tests" and self.path.name.startswith("test_")


def check_length(module: Module) -> Iterator[Breach]:
    """One idea a file."""
    n_lines = len(module.lines)
    if n_lines > MAX_FILE_LINES:
        yield module.breach(1, f"{n_lines} lines; split the file, at most {MAX_FILE_LINES}")


def check_finished(module: Module) -> Iterator[Breach]:
    """Users never get code that says of itself that it is unfinished."""
    if not module.is_package_code:
        return
    for number, line in enumerate(module.lines, 1):
        if match := UNFINISHED.search(line):
            yield module.breach(number, f"{match[0]}: finish it or take it out")


def check_exemptions(module: Module) -> Iterator[Breach]:
    """An exemption names its rule and its reason in the same line."""
    if not module.is_package_code:
        return
    for number, line in enumerate(module.lines, 1):
        if "# noqa" in line and not NOQA_WITH_REASON.search(line):
            yield module.breach(number, "write '# noqa: RULE reason'")
        if "# type: ignore" in line and not IGNORE_WITH_CODE.search(line):
            yield module.breach(number, "write '# type: ignore[code]'")


def check_names(module: Module) -> Iterator[Breach]:
    """There is one version of a thing; the former ones are in the history."""
    if LEFT_OVER_NAME.search(module.path.stem):
        yield module.breach(1, f"{module.path.stem}: the history keeps former versions")
    for node in ast.walk(module.tree):
        if isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and LEFT_OVER_NAME.search(node.name):
            yield module.breach(node.lineno, f"{node.name}: the history keeps former versions")


def check_global(module: Module) -> Iterator[Breach]:
    """State is passed, not shared."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield module.breach(node.lineno, "global: pass the value instead")


def check_import_is_quiet(module: Module) -> Iterator[Breach]:
    """Importing the package calls nothing for its effect and touches nothing outside."""
    if not module.is_package_code:
        return
    for statement in _module_level(module.tree.body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            if _registered(statement.value) not in REGISTRATION:
                yield module.breach(statement.lineno, "a call at import; move it into a function")
            continue
        for touched in filter(None, map(_touched, ast.walk(statement))):
            yield module.breach(statement.lineno, f"'{touched}' at import; use it in a function")


def _touched(node: ast.AST) -> str | None:
    """Name the part of the outside world that a node touches, if any."""
    match node:
        case ast.Attribute(attr="environ"):
            return "environ"
        case ast.Call(func=function) if _name_of(function) in WORLD:
            return _name_of(function)
        case _:
            return None


def _module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, into classes and branches but not into functions."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.ClassDef():
                yield from _module_level(statement.body)
            case ast.If():
                yield from _module_level([*statement.body, *statement.orelse])
            case _:
                yield statement


def _name_of(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return None


def _registered(call: ast.Call) -> str | None:
    """Return ``command`` for both ``app.command(f)`` and ``app.command("name")(f)``."""
    inner = call.func.func if isinstance(call.func, ast.Call) else call.func
    return _name_of(inner)


def check_compilers(module: Module) -> Iterator[Breach]:
    """Each compiled function says whether it is cached and which float rules it may bend."""
    if not module.is_package_code:
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if _name_of(call.func if call else decorator) not in COMPILERS:
                continue
            stated = {keyword.arg for keyword in call.keywords} if call else set()
            if missing := sorted(COMPILER_OPTIONS - stated):
                yield module.breach(node.lineno, f"{node.name}: state {' and '.join(missing)}")


def check_transforms(module: Module) -> Iterator[Breach]:
    """Fourier transforms have one convention because they have one place."""
    if not module.is_package_code or "maths" in module.path.parts:
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                used = any(alias.name.startswith(("scipy.fft", "numpy.fft")) for alias in names)
            case ast.ImportFrom(module=source, names=names):
                used = source in ("scipy.fft", "numpy.fft") or (
                    source in ("scipy", "numpy") and any(alias.name == "fft" for alias in names)
                )
            case ast.Attribute(value=ast.Name(id="np" | "numpy" | "scipy"), attr="fft"):
                used = True
            case _:
                used = False
        if used:
            yield module.breach(node.lineno, "a transform outside maths; use maths/fourier.py")


def check_test_sentences(module: Module) -> Iterator[Breach]:
    """Each test says in one sentence what it proves."""
    if not module.is_test:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            sentence = (ast.get_docstring(node) or "").strip()
            if not sentence.endswith((".", "?", "!")):
                yield module.breach(node.lineno, f"{node.name}: say in a sentence what it proves")


def check_docstrings(module: Module) -> Iterator[Breach]:
    """Sections are Google's, and the names in them are those of the code."""
    for line, message in find_problems(module.tree):
        yield module.breach(line, message)


CHECKS = (
    check_length,
    check_finished,
    check_exemptions,
    check_names,
    check_global,
    check_import_is_quiet,
    check_compilers,
    check_transforms,
    check_test_sentences,
    check_docstrings,
)


def read_modules(root: Path) -> list[Module]:
    """Parse every Python file of the repository's own folders."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [
        Module(path.relative_to(root), text, ast.parse(text, filename=str(path)))
        for path, text in zip(paths, texts, strict=True)
    ]


def check_median(modules: list[Module]) -> Iterator[Breach]:
    """Files and functions of the package stay short on the whole."""
    files = [len(m.lines) for m in modules if m.is_package_code and m.path.stem != "__init__"]
    for what, lengths, limit in (
        ("file", files, MAX_MEDIAN_LINES),
        ("function", function_lengths(modules), MAX_MEDIAN_FUNCTION_LINES),
    ):
        if lengths and (median := statistics.median(lengths)) > limit:
            yield Breach(Path("src"), 1, f"median {what} has {median:g} lines, at most {limit}")


def function_lengths(modules: list[Module]) -> list[int]:
    """Return the lines of every function of the package, docstring included."""
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        if module.is_package_code
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def check_folders(modules: list[Module]) -> Iterator[Breach]:
    """A folder of the package can be taken in at a glance."""
    files = [m.path for m in modules if m.is_package_code and m.path.stem != "__init__"]
    for folder, n_files in sorted(Counter(path.parent for path in files).items()):
        if n_files > MAX_FOLDER_FILES:
            yield Breach(folder, 1, f"{n_files} files; split it, at most {MAX_FOLDER_FILES}")


def find_breaches(modules: list[Module]) -> list[Breach]:
    """Apply every rule to every file of a repository."""
    breaches = [b for module in modules for check in CHECKS for b in check(module)]
    return [*breaches, *check_median(modules), *check_folders(modules)]


def main() -> int:
    """Check the repository named on the command line, or the one this script is in."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    modules = read_modules(root)
    breaches = find_breaches(modules)
    for breach in breaches:
        print(breach)
    if not breaches:
        median = statistics.median(function_lengths(modules) or [0])
        print(f"house rules: no breach; a function has {median:g} lines (median)")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
