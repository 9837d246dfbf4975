"""What an index of packages is told besides: a README whose pictures show there, and URLs.

An index shows the README away from the files that it links. Pictures and links get the address of
the repository, at the tag of the version; where `[tool.cryofocus] repository` names none, pictures
are left out and links become plain text, so that nothing is broken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parents[1]
# An exclamation mark for a picture, its text, and an address that is no URL and no anchor.
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)]+)\)")


class ProjectMetadata(MetadataHookInterface):
    """The build's own metadata; hatchling finds it by its base class."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in README and URLs."""
        repository = self.config.get("repository", "").rstrip("/")
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        page = page_of_index(text, repository, version())
        metadata["readme"] = {"content-type": "text/markdown", "text": page}
        metadata["urls"] = urls(repository, version())


def version() -> str:
    """Read the version from the one place where it stands."""
    text = (ROOT / "src/cryofocus/version.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise ValueError("src/cryofocus/version.py holds no __version__")
    return found[1]


def page_of_index(text: str, repository: str, version: str) -> str:
    """Return the README with addresses that hold anywhere."""

    def absolute(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        if not repository:
            return "" if mark else words
        return f"{mark}[{words}]({repository}/{'raw' if mark else 'blob'}/v{version}/{path})"

    return re.sub(r"\n{3,}", "\n\n", RELATIVE.sub(absolute, text))


def urls(repository: str, version: str) -> dict[str, str]:
    """Name the pages of the project that are known."""
    known = {"Publication": "https://doi.org/10.1101/365940"}
    if not repository:
        return known
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/v{version}/docs/README.md",
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    } | known
