"""What a stack of subtracted images says in its header: which stacks it was made from.

Such a stack often has the file name of the stack that it was made from, in another folder. Where
a table names the intact images and a folder leads to the others, nothing else would tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from cryofocus.data.mrc import CREATED, LABEL_BYTES, MOST_LABELS, MrcHeader
from cryofocus.errors import ParticleError

MADE, FROM = f"{CREATED[0]} subtract", "from: "


def subtracted_labels(
    stack: str, sources: Iterable[str], earlier: Iterable[MrcHeader]
) -> tuple[str, ...]:
    """Return the labels of a stack of subtracted images.

    Args:
        stack: Its name.
        sources: Names of the stacks that it is made from, as their table writes them.
        earlier: Headers of these, which may be subtracted themselves.
    """
    alike = [_label(name) for name in sources if PurePath(name).stem == PurePath(stack).stem]
    before = [label for one in earlier for label in one.labels if _is_subtracted(one)]
    known = dict.fromkeys(label for label in (*alike, *before) if label.startswith(FROM))
    return (MADE, *known)[:MOST_LABELS]


def require_intact(header: MrcHeader, name: str) -> None:
    """Refuse subtracted images where a table names those that they were made from.

    Args:
        header: Of the stack that was found.
        name: As the table writes it.

    Raises:
        ParticleError: When it says that it was made from the stack of this name.
    """
    if _is_subtracted(header) and _label(name) in header.labels:
        raise ParticleError(
            f"{header.path}: holds images without the density that was subtracted, made from "
            f"{name}, but the table names {name}, the intact images. Give the folder that holds "
            "those with --datadir; for the subtracted images, give the table that was written "
            "with them."
        )


def _is_subtracted(header: MrcHeader) -> bool:
    return header.labels[:1] == (MADE,)


def _label(name: str) -> str:
    """Return a line with as much of the end of a name as there is room for."""
    room = LABEL_BYTES - len(FROM)
    return FROM + name.encode("utf-8", "replace")[-room:].decode("utf-8", "ignore").strip()
