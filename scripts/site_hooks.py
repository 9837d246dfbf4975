"""What MkDocs does besides: pages of benchmark results, which lie outside docs, join the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
RESULTS = "benchmarks/results"


def on_files(files: Files, config: Any) -> Files:
    """Add the benchmark results as if they lay in docs/benchmarks."""
    for path in sorted((ROOT / RESULTS).rglob("*")):
        if path.suffix in (".md", ".png"):
            name = path.relative_to(ROOT).as_posix()
            added = File(name, str(ROOT), config["site_dir"], config["use_directory_urls"])
            files.append(added)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that lead out of docs lead to the added pages."""
    markdown = markdown.replace(f"](../{RESULTS}", f"]({RESULTS}")
    return markdown.replace(f"](../../{RESULTS}", f"](../{RESULTS}")
