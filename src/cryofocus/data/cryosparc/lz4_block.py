"""One LZ4 block, as cryoSPARC compresses its columns.

A block is a row of sequences: literal bytes, then a copy of bytes already written, `offset` bytes
back. Source: the LZ4 block format description, https://github.com/lz4/lz4/blob/dev/doc.
"""

from __future__ import annotations

MIN_MATCH = 4
EXTENDED = 15


def decompress_block(data: bytes, n_bytes: int) -> bytes:
    """Decompress a block whose decompressed size is known.

    Raises:
        ValueError: If the block is damaged or holds another number of bytes.
    """
    output = bytearray()
    position = 0
    try:
        while position < len(data):
            token = data[position]
            length, position = _read_length(data, position + 1, token >> 4)
            output += data[position : position + length]
            position += length
            if position >= len(data):
                break  # the last sequence has literals only
            offset = data[position] | data[position + 1] << 8
            length, position = _read_length(data, position + 2, token & EXTENDED)
            _copy_back(output, offset, length + MIN_MATCH, n_bytes)
    except IndexError as error:
        raise ValueError("a compressed column is cut short") from error
    if position != len(data) or len(output) != n_bytes:
        raise ValueError(f"a compressed column holds {len(output)} bytes, expected {n_bytes}")
    return bytes(output)


def _read_length(data: bytes, position: int, length: int) -> tuple[int, int]:
    """Read the bytes that extend a length of 15; return it and the next position."""
    if length == EXTENDED:
        while True:
            more = data[position]
            position += 1
            length += more
            if more < 255:
                break
    return length, position


def _copy_back(output: bytearray, offset: int, length: int, n_bytes: int) -> None:
    """Repeat bytes that were written before; source and target may overlap."""
    if not 0 < offset <= len(output) or len(output) + length > n_bytes:
        raise ValueError("a compressed column refers to bytes that are not there")
    start = len(output) - offset
    pattern = bytes(output[start : start + length])
    output += (pattern * -(-length // offset))[:length]
