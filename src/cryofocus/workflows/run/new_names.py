"""Names of files to write, refused before any work is done where they are taken or impossible.

Those that are not refused are claimed: no other command writes them meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryofocus.data.particle_table import ParticleTable
from cryofocus.errors import OutputError, SettingError
from cryofocus.workflows.run.claims import claim


def require_new_maps(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Check the names of maps that a command will write.

    Args:
        paths: MRC files; the first is the one the user named with -o.
        overwrite: Whether they may replace files that are there.

    Raises:
        SettingError: When the first does not end in .mrc.
        OutputError: When its folder does not exist, or a file does (without `overwrite`).
    """
    _require_ending(paths[0], ".mrc", "-o")
    for path in paths:
        _require_free(path, "-o", overwrite=overwrite)


def require_new_model(paths: Sequence[Path], suffixes: Sequence[str], *, overwrite: bool) -> None:
    """Check the names of an atomic model that a command will write, and of what goes beside it.

    Args:
        paths: The model, which the user named with -o, then the others.
        suffixes: How the name of a model may end.
        overwrite: Whether they may replace files that are there.

    Raises:
        SettingError: When the model's name ends otherwise.
        OutputError: When its folder does not exist, or a file does (without `overwrite`).
    """
    if paths[0].suffix.lower() not in suffixes:
        raise SettingError(
            f"{paths[0]}: expected a name that ends in {' or '.join(suffixes)}, because a model "
            "is moved. Change the name after -o."
        )
    for path in paths:
        _require_free(path, "-o", overwrite=overwrite)


def require_new_table(path: Path, source: Path, *, overwrite: bool) -> None:
    """Check the name of a table that a command will write.

    Args:
        path: Table that the user named with -o.
        source: The table it is made from, which is never replaced.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        OutputError: When it is the source, its folder does not exist, or it exists (without
            `overwrite`).
    """
    if path.resolve() == source.resolve():
        raise OutputError(f"{path}: is the table to read. Choose another name with -o.")
    _require_free(path, "-o", overwrite=overwrite)


def require_new_picture(path: Path, *, overwrite: bool) -> None:
    """Check the name of a picture that a command will write.

    Args:
        path: PNG file that the user named with --figure.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SettingError: When it does not end in .png.
        OutputError: When its folder does not exist, or it exists (without `overwrite`).
    """
    _require_ending(path, ".png", "--figure")
    _require_free(path, "--figure", overwrite=overwrite)


def require_format_of(table: ParticleTable, output: Path) -> None:
    """Check that a table to write is named as those of the format it will have.

    Args:
        table: The table it is made from, whose format it keeps.
        output: Table that the user named with -o.

    Raises:
        SettingError: When the name ends otherwise.
    """
    if output.suffix != table.suffix:
        raise SettingError(
            f"{output}: expected a name that ends in {table.suffix}, the format of {table.path}. "
            "Change the name after -o; cryofocus convert gives others."
        )


def _require_ending(path: Path, ending: str, option: str) -> None:
    if path.suffix != ending:
        raise SettingError(
            f"{path}: expected a name that ends in {ending}. Change the name after {option}."
        )


def _require_free(path: Path, option: str, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise OutputError(
            f"{path.parent}: no such folder. Make it, or choose another with {option}."
        )
    _refuse_taken(path, option, overwrite=overwrite)
    claim(path)
    # Whoever was writing it may have finished until then.
    _refuse_taken(path, option, overwrite=overwrite)


def _refuse_taken(path: Path, option: str, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path}: exists. Choose another name with {option}, or replace it with --overwrite."
        )
