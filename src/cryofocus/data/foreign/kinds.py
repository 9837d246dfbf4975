"""What a file is that is no map and no stack of images: told by its first bytes, then its name."""

from __future__ import annotations

import re
from pathlib import Path

TABLE, MODEL, PICTURE = "a particle table", "an atomic model", "a picture"
# First bytes of files that hold no text.
MARKS = (
    (b"\x89PNG", f"{PICTURE} (PNG)"),
    (b"\xff\xd8\xff", f"{PICTURE} (JPEG)"),
    (b"GIF8", f"{PICTURE} (GIF)"),
    (b"%PDF", "a document (PDF)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"II*\0", "a TIFF file"),
    (b"MM\0*", "a TIFF file"),
    (b"SQLite format 3\0", "a database (SQLite), such as a cisTEM project"),
)
# What a line of a text begins with.
LINES = (
    (rb"\s*(data_\S*\s*$|loop_)", "a table in STAR format"),
    (rb"(HEADER|ATOM  |HETATM|REMARK|CRYST1|TITLE )", f"{MODEL} (PDB)"),
    (rb"\s*<(!DOCTYPE html|html)", "a web page (HTML)"),
    (rb"\s*<\?xml|\s*<[a-z_]+[ >]", "an XML file"),
    (rb"\s*[{\[]", "a JSON file"),
    (rb"[^,\n]+,[^\s,][^,\n]*,\S", "a table of comma-separated values (CSV)"),
)
MMCIF = rb"^_(atom_site|entry|cell)\."
NAMES = {
    **dict.fromkeys((".star", ".cs", ".par", ".cistem"), TABLE),
    **dict.fromkeys((".pdb", ".cif", ".ent"), MODEL),
}
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def name_kind(path: Path, start: bytes) -> str:
    """Say what a file is, if it is not what was asked for.

    Args:
        path: The file; only its name counts.
        start: Its first bytes, some hundred or all.

    Returns:
        With its article, such as `a table in STAR format`; nothing where neither content nor name
            tells.
    """
    by_name = NAMES.get(path.suffix.lower(), "")
    if start and CONTROL.search(start) is None and not start.startswith(b"%PDF"):
        return _name_text(start) or by_name or "a text"
    by_content = (kind for mark, kind in MARKS if start.startswith(mark))
    return by_name or next(by_content, "")


def _name_text(start: bytes) -> str:
    """Say what a text is, if its lines tell."""
    if re.search(MMCIF, start, re.MULTILINE):
        return f"{MODEL} (mmCIF)"
    for line in start.splitlines():
        if not line.strip() or line.startswith((b"#", b"C ")):
            continue
        for pattern, kind in LINES:
            if re.match(pattern, line, re.IGNORECASE):
                return kind
    return ""
