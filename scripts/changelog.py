"""Assemble the fragments of changelog.d into the section of a release.

Usage: ``python scripts/changelog.py`` shows it; ``--release 2026-12-01`` puts it into CHANGELOG.md
under the version of src/cryofocus/version.py and removes the fragments.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterable
from pathlib import Path

from cryofocus.version import __version__

ROOT = Path(__file__).parents[1]
HEADINGS = {
    "feature": "New",
    "change": "Changed",
    "fix": "Mended",
    "speed": "Faster or smaller",
    "removal": "Removed",
}
# What the changelog says while there is no release.
NOTHING_YET = "Nothing is released yet. The contents of the first release are in "


def fragments(folder: Path) -> list[Path]:
    """List the fragments, by name.

    Raises:
        ValueError: When the name of one does not say its kind.
    """
    found = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    for path in found:
        if path.suffixes[-2:-1] not in ([f".{kind}"] for kind in HEADINGS):
            kinds = ", ".join(HEADINGS)
            raise ValueError(f"{path}: expected a name like subject.KIND.md with one of {kinds}")
    return found


def section(version: str, date: str, paths: Iterable[Path]) -> str:
    """Compose the section of a release: headings in order, one item per fragment."""
    items: dict[str, list[str]] = {kind: [] for kind in HEADINGS}
    for path in paths:
        text = " ".join(path.read_text(encoding="utf-8").split("\n")).strip()
        items[path.suffixes[-2].removeprefix(".")].append(f"- {text}")
    parts = [f"## {version} ({date})"]
    for kind, lines in items.items():
        if lines:
            parts.append("\n".join([f"### {HEADINGS[kind]}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def with_section(changelog: str, new: str) -> str:
    """Put a section before those of earlier releases."""
    head, mark, earlier = changelog.partition("\n## ")
    kept = [part for part in head.split("\n\n") if not part.startswith(NOTHING_YET)]
    return "\n\n".join(kept).rstrip() + "\n\n" + new + (mark + earlier if mark else "")


def main() -> None:
    """Show the section, or make the release's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", metavar="DATE", type=datetime.date.fromisoformat)
    date = parser.parse_args().release
    found = fragments(ROOT / "changelog.d")
    new = section(__version__, str(date or "unreleased"), found)
    if date is None:
        print(new, end="")
        return
    path = ROOT / "CHANGELOG.md"
    path.write_text(with_section(path.read_text(encoding="utf-8"), new), encoding="utf-8")
    for fragment in found:
        fragment.unlink()
    print(path)


if __name__ == "__main__":
    main()
