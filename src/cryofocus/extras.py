"""How to add an optional part: from where this installation came, not from an index."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

PACKAGE = "cryofocus"


def install_command(extra: str) -> str:
    """Say what to type to install an optional part.

    A package that pip installed from a folder that is still there is installed from it again;
    otherwise the command is for the folder of the source.

    Args:
        extra: Name of the part, such as `cluster`.
    """
    source = _find_source()
    if source is None:
        return f"pip install '.[{extra}]' (in the folder of cryofocus's source)"
    return f"pip install -c {_quote(source / 'constraints.txt')} {_quote(source, f'[{extra}]')}"


def _find_source() -> Path | None:
    """Find the folder from which pip installed the package."""
    try:
        noted = distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    address = urlparse(json.loads(noted or "{}").get("url", ""))
    folder = Path(url2pathname(address.path))
    has_source = address.scheme == "file" and (folder / "constraints.txt").is_file()
    return folder if has_source else None


def _quote(path: Path, after: str = "") -> str:
    return shlex.quote(f"{path}{after}")
