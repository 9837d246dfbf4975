"""The package as a whole: light to import, honest about what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import TypeCheckError

import cryofocus
from cryofocus.maths.rotations import rotation_from_euler

ROOT = Path(__file__).parents[1]
MODULE_OF_DISTRIBUTION = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "jinja2": "jinja2",
    "dask-jobqueue": "dask_jobqueue",
    "array-api-compat": "array_api_compat",
    "lazy-loader": "lazy_loader",
    "cupy-cuda12x": "cupy",
    "numba-cuda": "numba",  # numba.cuda to whom imports it
}
# Extras that src imports where they are asked for.
EXTRAS = ("cluster", "cuda", "plots")
# What src works with where somebody has it, and what comes with distributed, or is there for it.
IF_PRESENT, WITH_DISTRIBUTED, FOR_DISTRIBUTED = {"pandas", "IPython"}, "tornado", "cryptography"


def normalised(requirement: str) -> str:
    """Return the name of a requirement in lower case with single dashes."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_import_loads_nothing_else() -> None:
    """Importing cryofocus alone loads no library, so that --help and --version are instant."""
    code = "import sys, cryofocus; print('numpy' in sys.modules, cryofocus.__version__)"
    command = [sys.executable, "-W", "error", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"False \d+\.\d+\.\d+\n", output)


def test_a_run_and_its_page_do_without_statistics_tables() -> None:
    """scipy.stats takes longer to load than all of it that is needed takes to compute."""
    modules = "cryofocus.workflows.classify.run, cryofocus.report.run.page"
    code = f"import sys, {modules}; print('scipy.stats' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_public_names_come_from_where_they_live() -> None:
    """Every public name loads, and is the very object of the module that defines it."""
    names = set(cryofocus.__all__) - {"__version__"}
    assert "classify" in names
    for name in names:
        value = getattr(cryofocus, name)
        assert value is getattr(import_module(value.__module__), name)
    assert set(cryofocus.__all__) == set(dir(cryofocus))


def test_type_checkers_see_the_public_names() -> None:
    """The stub offers each name to type checkers, which take `X as X` alone for public."""
    stub = ast.parse((ROOT / "src/cryofocus/__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    offered = [(alias.name, alias.asname) for node in imports for alias in node.names]
    assert len(imports) == len(stub.body)
    assert [name for name, _ in offered] == [alias for _, alias in offered]
    assert sorted(name for name, _ in offered) == cryofocus.__all__


def test_everything_but_its_command_works_without_the_benchmark() -> None:
    """A package that leaves the benchmark out has every public name and every other command."""
    code = (
        "import sys; sys.modules['cryofocus.benchmark'] = None\n"
        "import cryofocus; [getattr(cryofocus, name) for name in cryofocus.__all__]\n"
        "sys.argv[1:] = ['benchmark', 'humanoid']; from cryofocus.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r"Error: cryofocus\.benchmark: not in .*\n", done.stderr)


def test_unknown_name_is_refused() -> None:
    """A misspelt public name fails like that of any module."""
    with pytest.raises(AttributeError, match="attribute FocussedClassifier"):
        _ = cryofocus.FocussedClassifier


def test_shapes_in_signatures_are_executed() -> None:
    """In the test run, an array of a wrong shape is refused by the signature itself."""
    with pytest.raises(TypeCheckError, match="euler_degrees"):
        rotation_from_euler(np.zeros((5, 2)))


def test_every_library_imported_is_declared_and_used() -> None:
    """Dependencies and extras in pyproject.toml are exactly the libraries that src imports."""
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"cryofocus"}
    requirements = list(project()["dependencies"])
    for extra in EXTRAS:
        requirements += project()["optional-dependencies"][extra]
    names = [normalised(requirement) for requirement in requirements]
    if any(requirement.startswith("dask[distributed]") for requirement in requirements):
        names += ["distributed", WITH_DISTRIBUTED]
        names.remove(FOR_DISTRIBUTED)
    assert third_party - IF_PRESENT == {MODULE_OF_DISTRIBUTION.get(name, name) for name in names}


def test_constraints_are_plain_pins_and_complete() -> None:
    """Every declared dependency has its tested version in constraints.txt, as a plain pin."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin) for pin in pins)
    described = project()
    extras = described["optional-dependencies"].values()
    wanted = [*described["dependencies"], *(w for extra in extras for w in extra)]
    missing = {normalised(w) for w in wanted} - {normalised(p) for p in pins} - {"cryofocus"}
    assert missing == set()


def test_settings_list_what_they_say_themselves() -> None:
    """`help` and completion of settings show their own names, not the 50 of pydantic."""
    listed = dir(cryofocus.VarianceSettings)
    assert "describe" in listed
    assert not [name for name in listed if name.startswith(("model_", "_", "parse_", "copy"))]
    assert repr(cryofocus.VarianceSettings.option("n_bootstrap")) == "Option(metavar='N')"


def test_the_docstring_leads_to_names_that_are_there() -> None:
    """What `help(cryofocus)` begins with names functions that exist."""
    named = re.findall(r"`(\w+)[`(]", cryofocus.__doc__ or "")
    assert len(named) > 12
    assert set(named) - {"Settings", "Request", "help"} <= set(cryofocus.__all__)
