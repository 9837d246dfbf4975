"""What MkDocs does besides: benchmark results join the site, and notebooks become its pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from cryofocus.version import __version__

ROOT = Path(__file__).parents[1]
RESULTS = "benchmarks/results"
NOTEBOOKS = "docs/notebooks"


def on_config(config: Any) -> Any:
    """Let the foot of every page say of which version it speaks."""
    config.copyright = f"cryofocus {__version__}, BSD 3-Clause licence"
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the benchmark results as if they lay in docs/benchmarks, and pages of notebooks."""
    for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb")):
        name = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, name, content=page_of_notebook(path)))
    for path in sorted((ROOT / RESULTS).rglob("*")):
        if path.suffix in (".md", ".png"):
            name = path.relative_to(ROOT).as_posix()
            added = File(name, str(ROOT), config["site_dir"], config["use_directory_urls"])
            files.append(added)
    return files


def page_of_notebook(path: Path) -> str:
    """Return a notebook as Markdown: its texts, its code and what each cell shows."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        parts += [_shown(output) for output in cell.get("outputs", ())]
    parts.append(f"[The notebook itself]({path.name}).")
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="What the cell draws" src="data:image/png;base64,{data["image/png"]}">'
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that lead out of docs lead to the added pages."""
    markdown = markdown.replace(f"](../{RESULTS}", f"]({RESULTS}")
    return markdown.replace(f"](../../{RESULTS}", f"](../{RESULTS}")
