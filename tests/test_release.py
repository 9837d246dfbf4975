"""What a release consists of: that it is built, holds what it should, and agrees with itself."""

from __future__ import annotations

import email
import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pytest
import yaml

from cryofocus.version import __version__

ROOT = Path(__file__).parents[1]
# What conda calls otherwise.
CONDA_NAMES: dict[str, str] = {}


def script(name: str) -> ModuleType:
    """One of the scripts, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive, built without network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    """Code, types, templates and data are in it; benchmarks, tests and compiled files are not."""
    (path,) = built.glob("*.whl")
    names = zipfile.ZipFile(path).namelist()
    assert {name.split("/")[0] for name in names} == {
        "cryofocus",
        f"cryofocus-{__version__}.dist-info",
    }
    package = ROOT / "src"
    wanted = {
        found.relative_to(package).as_posix()
        for found in package.rglob("*")
        if found.is_file() and "__pycache__" not in found.parts
    }
    assert {name for name in names if name.startswith("cryofocus/")} == wanted
    assert {"cryofocus/py.typed", "cryofocus/report/plotly/LICENSE"} <= wanted
    assert path.stat().st_size < 5e6


def test_source_archive_builds_and_tests_itself(built: Path) -> None:
    """Tests, documents and what the build runs are in the source archive."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["pyproject.toml", "constraints.txt", "scripts/metadata_hook.py", "scripts/test"]
    wanted += ["tests/test_release.py", "docs/tutorial.md", "CITATION.cff", "recipe/meta.yaml"]
    assert set(wanted) <= names
    assert not [name for name in names if "__pycache__" in name]


def test_metadata_say_what_the_package_is(built: Path) -> None:
    """Version, licences and addresses are there, and README holds no link that leads nowhere."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        name = f"cryofocus-{__version__}.dist-info/METADATA"
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "BSD-3-Clause AND MIT"
    assert metadata.get_all("Project-URL")
    text = str(metadata.get_payload())
    assert text.startswith("# cryofocus")
    assert not re.findall(r"\]\((?![a-z]+:|#)", text)


def test_readme_on_an_index_has_its_pictures() -> None:
    """With the repository's address, pictures and links are absolute, at the version's tag."""
    hook, base = script("metadata_hook"), "https://example.org/cryofocus"
    text = "![A](docs/a.png) [b](docs/b.md), [c](https://c.org) [d](#d)"
    assert hook.page_of_index(text, base, "1.2.0") == (
        f"![A]({base}/raw/v1.2.0/docs/a.png) [b]({base}/blob/v1.2.0/docs/b.md), "
        "[c](https://c.org) [d](#d)"
    )
    assert hook.page_of_index(text, "", "1.2.0") == " b, [c](https://c.org) [d](#d)"
    assert hook.urls(base, "1.2.0")["Issues"] == f"{base}/issues"
    assert hook.version() == __version__


def test_changelog_is_assembled() -> None:
    """Every fragment becomes an item under the heading of its kind, before earlier releases."""
    changelog = script("changelog")
    found = changelog.fragments(ROOT / "changelog.d")
    section = changelog.section("0.9.0", "2030-01-01", found)
    assert section.count("\n- ") == len(found)
    assert re.findall(r"^### (\w+)", section, re.MULTILINE)[:3] == ["New", "Changed", "Mended"]
    before = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    once = changelog.with_section(before, section)
    twice = changelog.with_section(once, "## 1.0.0 (2030-02-02)\n")
    assert "Nothing is released yet" not in once
    assert twice.index("## 1.0.0") < twice.index("## 0.9.0") < len(twice)
    assert twice.startswith("# Changelog\n\nVersions are")


def test_a_fragment_of_no_kind_is_refused(tmp_path: Path) -> None:
    """A misspelt kind would be left out of the changelog without a word."""
    (tmp_path / "something.feture.md").write_text("New.")
    with pytest.raises(ValueError, match=r"something\.feture\.md: expected a name like"):
        script("changelog").fragments(tmp_path)


def test_citation_is_valid() -> None:
    """CITATION.cff has what the format requires, and cites the publication."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert all(set(author) in ({"name"}, {"family-names"}) for author in cited["authors"])
    (article,) = cited["references"]
    assert article["url"] in (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"type", "title", "authors", "year"} <= article.keys()


def recipe() -> dict[str, Any]:
    """The conda recipe, rendered as conda does it."""

    def load_file_regex(name: str, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"))

    text = (ROOT / "recipe/meta.yaml").read_text(encoding="utf-8")
    rendered = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(
        load_file_regex=load_file_regex, PYTHON="python"
    )
    return dict(yaml.safe_load(rendered))


def test_conda_recipe_agrees_with_the_project() -> None:
    """Version, commands and requirements are those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = recipe()
    assert str(made["package"]["version"]) == __version__
    needed = {requirement.replace(" ", "") for requirement in made["requirements"]["run"]}
    for conda, name in CONDA_NAMES.items():
        needed = {re.sub(rf"^{conda}\b", name, requirement) for requirement in needed}
    assert needed == {*project["dependencies"], f"python{project['requires-python']}"}
    assert made["build"]["entry_points"] == [f"{k} = {v}" for k, v in project["scripts"].items()]
    assert made["about"]["license"] == project["license"]
    assert made["about"]["license_file"] == project["license-files"]


def test_container_copies_what_the_build_reads() -> None:
    """What a container is built from exists, and is all that the build of a wheel needs."""
    text = (ROOT / "recipe/Containerfile").read_text(encoding="utf-8")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    read = {"pyproject.toml", "README.md", "LICENSE", "scripts/metadata_hook.py", "src"}
    assert read <= set(copied)


def test_licences_are_listed() -> None:
    """The page of licences is that of the libraries that are installed."""
    page = script("document_licences")
    assert page.PAGE.read_text(encoding="utf-8") == page.render()
