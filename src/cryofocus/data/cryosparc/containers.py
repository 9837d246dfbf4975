r"""The containers of cryoSPARC's .cs files: NumPy arrays and the compressed CSDAT stream.

Both hold one table. NUMPY is a .npy file of a structured array. CSDAT is `\x95CSDAT`, a 32-bit
length, a JSON header (`length`, `dtype`, `compression`, `compressed_fields`), each column behind
its 32-bit length, and a heap of texts that end with a zero byte and into which text columns point
with 64-bit offsets; columns may be LZ4 blocks. Numbers are little-endian. Source: cryosparc-tools
5.0, `dataset`. Headers are parsed here, field by field: no Python object is ever unpickled.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from jaxtyping import Shaped

from cryofocus.complaints import say_unreadable, show
from cryofocus.data.cryosparc.lz4_block import decompress_block
from cryofocus.errors import FormatError, InputError

NUMPY_MAGIC, STREAM_MAGIC = b"\x93NUMPY", b"\x95CSDAT"
MAGIC_BYTES = 6
# A header describes a few hundred fields; a larger one is no header.
MAX_HEADER_BYTES = 1 << 18
# Little-endian or single bytes: numbers, truth values, texts.
FIELD_TYPE = re.compile(r"[<|=](?:[iu][1248]|f[248]|c(?:8|16)|b1|[SU][1-9]\d{0,5})")
FIELD_NAME = re.compile(r"[ -~]{1,200}")
# A stream may grow by so much when it is unpacked; real ones grow to ten times their size.
GROWTH, GROWTH_BYTES = 25, 100_000_000
TEXT_REFERENCE = "|O"
MAX_DIMENSIONS = 3
COPY_AGAIN = "The file is damaged or was cut short; copy or export it again."

Rows = Shaped[np.ndarray, " n"]
Fields = list[tuple[str, str] | tuple[str, str, tuple[int, ...]]]


def read_cs(path: Path) -> Rows:
    """Read a .cs file: mapped from it and read-only where the container allows; texts are bytes.

    Raises:
        InputError: If the file cannot be read.
        FormatError: If it is no .cs file, is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as handle:
            magic = handle.read(MAGIC_BYTES)
            if magic == NUMPY_MAGIC:
                return _read_numpy(path, handle)
            if magic == STREAM_MAGIC:
                return _Stream(path, handle).read()
    except OSError as error:
        raise InputError(say_unreadable(path, error)) from error
    raise FormatError(
        f"{path}: starts with {magic!r}, expected {NUMPY_MAGIC!r} or {STREAM_MAGIC!r}, with which "
        "cryoSPARC's .cs files start. Check that this is the right file."
    )


def write_cs_header(handle: BinaryIO, dtype: np.dtype[Any], n_rows: int) -> None:
    """Write the start of a NUMPY container; the rows follow as they lie in memory."""
    header = {"descr": dtype.descr, "fortran_order": False, "shape": (n_rows,)}
    np.lib.format.write_array_header_2_0(handle, header)


def _read_numpy(path: Path, handle: BinaryIO) -> Rows:
    version = handle.read(2)
    size_bytes = 2 if version[:1] == b"\x01" else 4
    n_bytes = int.from_bytes(handle.read(size_bytes), "little")
    if len(version) < 2 or not 0 < n_bytes <= MAX_HEADER_BYTES:
        _damaged(path, f"its header would have {n_bytes} bytes")
    text = handle.read(n_bytes)
    if len(text) < n_bytes:
        _damaged(path, f"its header ends after {len(text)} of {n_bytes} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about what a header should not hold
            header = ast.literal_eval(text.decode("utf-8").strip())
        fields, shape = header["descr"], header["shape"]
        (n_rows,) = shape
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        _damaged(path, "its header does not describe a table")
    dtype = _make_dtype(path, fields)
    n_rows = _row_count(path, n_rows)
    start = handle.tell()
    n_found = path.stat().st_size - start
    if n_found != n_rows * dtype.itemsize:
        _damaged(
            path,
            f"it announces {n_rows} rows of {dtype.itemsize} bytes, but {n_found} bytes of rows "
            f"follow, {n_found / dtype.itemsize:.1f} rows",
        )
    if n_rows == 0:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r", start, (n_rows,))


class _Stream:
    """A CSDAT file while it is read, behind its magic bytes."""

    def __init__(self, path: Path, handle: BinaryIO) -> None:
        self._path, self._handle = path, handle

    def read(self) -> Rows:
        """Read header, columns and heap of texts into one table."""
        header = self._header()
        fields, listed = header.get("dtype"), header.get("compressed_fields")
        if header.get("compression") not in (None, "lz4") or not isinstance(listed, list):
            _damaged(self._path, f"its compression is {show(header.get('compression'))}, not lz4")
        compressed = {name for name in listed if isinstance(name, str)}
        n_rows = _row_count(self._path, header.get("length"))
        kept = _make_dtype(self._path, fields, texts_by_reference=True)
        self._require_modest(n_rows * kept.itemsize)
        columns: dict[str, np.ndarray] = {}
        for name in kept.names or ():
            # An empty table has no columns, only the heap.
            columns[name] = (
                self._column(kept[name], n_rows, is_compressed=name in compressed)
                if n_rows
                else np.zeros((0, *kept[name].shape), kept[name].base)
            )
        heap = self._handle.read()
        for name, kind, *_ in fields or ():
            if kind == TEXT_REFERENCE:
                columns[name] = self._texts(columns[name], heap)
        dtype = np.dtype([(n, column.dtype, column.shape[1:]) for n, column in columns.items()])
        self._require_modest(n_rows * dtype.itemsize)
        rows = np.empty(n_rows, dtype)
        for name in dtype.names or ():
            rows[name] = columns.pop(name)  # of each, only one copy stays
        return rows

    def _require_modest(self, n_bytes: int) -> None:
        """Refuse a small file that claims to hold a large table: no memory is spent on it."""
        n_stored = self._path.stat().st_size
        if n_bytes > GROWTH * n_stored + GROWTH_BYTES:
            _damaged(self._path, f"a file of {n_stored} bytes would hold a table of {n_bytes}")

    def _header(self) -> dict[str, Any]:
        n_bytes = self._length()
        if not 0 < n_bytes <= MAX_HEADER_BYTES:
            _damaged(self._path, f"its header would have {n_bytes} bytes")
        try:
            header = json.loads(self._handle.read(n_bytes))
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            _damaged(self._path, "its header does not describe a table")
        return header

    def _length(self) -> int:
        raw = self._handle.read(4)
        if len(raw) < 4:
            _damaged(self._path, "it ends before its columns do")
        return int.from_bytes(raw, "little")

    def _column(
        self, dtype: np.dtype[Any], n_rows: int, *, is_compressed: bool
    ) -> Shaped[np.ndarray, "n ..."]:
        n_stored, n_bytes = self._length(), n_rows * dtype.itemsize
        # LZ4 shrinks by 255 at most: a larger claim is a lie, and no memory is spent on it.
        if n_bytes > 255 * n_stored + 64:
            _damaged(self._path, f"a column of {n_stored} bytes cannot hold {n_rows} rows")
        if n_stored > self._path.stat().st_size:
            _damaged(self._path, "it ends before its columns do")
        raw = self._handle.read(n_stored)
        try:
            if is_compressed:
                raw = decompress_block(raw, n_bytes)
            return np.frombuffer(raw, dtype.base).reshape(n_rows, *dtype.shape)
        except ValueError as error:
            raise FormatError(f"{self._path}: {error}. {COPY_AGAIN}") from error

    def _texts(self, offsets: Shaped[np.ndarray, " n"], heap: bytes) -> Shaped[np.ndarray, " n"]:
        if offsets.ndim != 1:
            _damaged(self._path, "it has several texts for each particle")
        distinct, index = np.unique(offsets, return_inverse=True)
        if not distinct.size:
            return np.zeros(0, "S1")
        if int(distinct[-1]) >= max(len(heap), 1):
            _damaged(self._path, "a text lies behind the end of the file")
        marks = np.append(np.flatnonzero(np.frombuffer(heap, np.uint8) == 0), len(heap))
        starts = distinct.astype(np.int64)
        ends = marks[np.searchsorted(marks, starts)]
        # Every text takes the room of the longest.
        self._require_modest(len(offsets) * max(int((ends - starts).max()), 1))
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return np.array([heap[start:end] for start, end in pairs], dtype="S")[index]


def _make_dtype(path: Path, fields: Any, *, texts_by_reference: bool = False) -> np.dtype[np.void]:
    """Build the type of a row from a header's list of fields, believing none of it."""
    if not isinstance(fields, list) or not fields:
        _damaged(path, "its header lists no fields, as it would for a plain array")
    checked: Fields = []
    for field in fields:
        name, kind, shape = _field_parts(path, field)
        if kind == TEXT_REFERENCE and texts_by_reference:
            kind = "<u8"
        elif "O" in kind:
            raise FormatError(
                f"{path}: field {name} holds Python objects, which are never loaded: they could "
                "run any program. Export the particles again from cryoSPARC."
            )
        if kind.startswith(">"):
            raise FormatError(
                f"{path}: field {name} holds numbers of the other byte order ({show(kind)}), as a "
                "script may write them; expected '<', as cryoSPARC writes them. Save the table "
                "again with rows.astype(rows.dtype.newbyteorder('<')) in NumPy."
            )
        if not FIELD_TYPE.fullmatch(kind):
            _damaged(path, f"field {name} is of type {show(kind)}")
        checked.append((name, kind, shape) if shape else (name, kind))
    if len({field[0] for field in checked}) != len(checked):
        _damaged(path, "a field stands twice in its header")
    try:
        return np.dtype(checked)
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"{path}: not a sound .cs file: its fields make no row ({error}). {COPY_AGAIN}"
        ) from error


def _field_parts(path: Path, field: Any) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(field, tuple | list) or len(field) not in (2, 3):
        _damaged(path, "its header does not describe a table")
    name, kind = field[0], field[1]
    if name == "" and str(kind).startswith("|V"):
        raise FormatError(
            f"{path}: its rows have gaps, as NumPy writes them of some fields of a table, "
            "rows[['uid', 'blob/path']]. Save numpy.lib.recfunctions.repack_fields(rows) instead."
        )
    shape = field[2] if len(field) == 3 else ()
    is_shape = (
        isinstance(shape, tuple | list)
        and len(shape) <= MAX_DIMENSIONS
        and all(isinstance(size, int) and 0 < size < 1 << 16 for size in shape)
    )
    is_name = isinstance(name, str) and FIELD_NAME.fullmatch(name)
    if not (is_name and isinstance(kind, str) and is_shape):
        _damaged(path, "its header does not describe a table")
    return name, kind, tuple(shape)


def _row_count(path: Path, n_rows: Any) -> int:
    if not isinstance(n_rows, int) or isinstance(n_rows, bool) or not 0 <= n_rows < 1 << 40:
        _damaged(path, f"it announces {show(n_rows)} rows")
    return n_rows


def _damaged(path: Path, what: str) -> NoReturn:
    raise FormatError(f"{path}: not a sound .cs file: {what}. {COPY_AGAIN}")
