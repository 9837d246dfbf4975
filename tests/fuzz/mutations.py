"""Changes of a sound file: what disks, editors, scripts and ill will do to it."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from random import Random

WORD = re.compile(rb"[^\s,\[\]{}()\"'=:<>/]+")
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
NUMBERS = (
    *(b"nan", b"inf", b"-inf", b"-infinity", b"1e308", b"-1e308", b"1e400", b"1e30", b"-1e30"),
    *(b"1e-320", b"0", b"-0", b"-1", b"2", b"1.5", b"65536", b"65535", b"4294967296"),
    *(b"9223372036854775808", b"99999999999999999999999", b"1_0", b"0x10", b"1e", b"", b"."),
    *(b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000, "٣".encode(), b"12:30:45", b"2001-99-99"),
)
WORDS = (
    *(b'""', b"''", b'"', b"'", b"#", b"@", b"0@s.mrcs", b"1@", b"99999999999999999@s.mrcs"),
    *(b"5@s.mrcs", b"1@t.mrcs", b"..", b"/", b"/dev/zero", b"[", b"]", b"[]", b"{}", b"[1,2"),
    *(b"|O", b"|S0", b"<U0", b"|S9999", b"<f16", b"<f2", b">f4", b"<c8", b"|b1", b"<u8"),
    *(b"|V4", b"<M8", b"(", b")", b"None", b"null", b"true", b"~", b"-", b"?", b"!!bool x"),
    *(b"!!int ''", b"!!timestamp x", b"!!python/object:os.system", b"!!float ''"),
    *(b"!!binary x", b"!!set x", b"&a", b"*a", b"<<: 1", b"<!--", b"-->", b"&amp;", b"&x;"),
    *(b"<!DOCTYPE a>", b"\x1b[2J", b"\x1b]0;x\x07", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xae", b"\0", b"\r", b"\n", b"\x0b", b"\x1c"),
    *("😀".encode(), b"data_", b"loop_", b"data_optics", b"_rlnImageName", b"%s", b"{0}"),
    *(b'<?xml version="1.0" encoding="rot13"?>', b'<?xml version="1.0" encoding="utf-16"?>'),
    *(b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n",),
)
RUNS = (
    *(b"[", b"{", b"(", b'"a', b"'", b'" ', b"a", b"9", b"\n", b"a ", b"_a\n", b"- ", b"<a>"),
    *(b"&", b" ", b":1"),
)
ENCODINGS = ("utf-16", "utf-16-be", "utf-32", "utf-7", "utf-8-sig", "cp037")
REALS = (
    *(float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e30, -1e30, 1e300, 1e-320, 3.0),
    *(65536.0,),
)
WHOLE = (0, 1, -1, 2, 3, 7, 255, 256, 65535, 65536, 2**31 - 1, -(2**31))
# Longest run that is put in: enough for what grows with the square to take seconds.
LONGEST_RUN = 30_000


def _place(content: bytes, rng: Random) -> int:
    """Choose a place, every other time near the start, where most of the structure is."""
    reach = len(content) if rng.random() < 0.5 else min(len(content), 300)
    return rng.randrange(reach + 1)


def _cut(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.choice((1, 1, 2, 4, 8, rng.randrange(200))) :]


def _truncate(content: bytes, rng: Random) -> bytes:
    return content[: _place(content, rng)]


def _flip(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    byte = content[at : at + 1] or b"\0"
    return content[:at] + bytes([byte[0] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _set(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _repeat(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    piece = content[at : at + rng.choice((1, 4, 40, 400))]
    return content[:at] + piece * rng.choice((2, 2, 3, 10)) + content[at + len(piece) :]


def _insert(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + rng.choice(WORDS + NUMBERS) + content[at:]


def _run(content: bytes, rng: Random) -> bytes:
    at = _place(content, rng)
    piece = rng.choice(RUNS)
    n = rng.choice((200, 2000, LONGEST_RUN)) // len(piece)
    return content[:at] + piece * n + content[at:]


def _set_number(content: bytes, rng: Random) -> bytes:
    """Put a number of a machine's at a place that is likely one."""
    kind = rng.choice(("<f", "<i", "<d", "<q", ">i", "<B"))
    value = rng.choice(REALS if kind[1] in "fd" else WHOLE)
    if kind == "<B":
        value %= 256
    elif kind == "<f":
        value = min(max(value, -3e38), 3e38) if math.isfinite(value) else value
    raw = struct.pack(kind, value)
    at = _place(content, rng) // 4 * 4
    return content[:at] + raw + content[at + len(raw) :]


def _edit_match(pattern: re.Pattern[bytes], content: bytes, rng: Random) -> bytes:
    """Replace, remove, repeat or swap what a pattern finds."""
    found = list(pattern.finditer(content))
    if not found:
        return _insert(content, rng)
    one, other = rng.choice(found), rng.choice(found)
    new = rng.choice(
        (
            *(rng.choice(NUMBERS), rng.choice(NUMBERS), rng.choice(WORDS), other.group(), b""),
            one.group() + b" " + one.group(),
        )
    )
    return content[: one.start()] + new + content[one.end() :]


def _word(content: bytes, rng: Random) -> bytes:
    return _edit_match(WORD, content, rng)


def _number(content: bytes, rng: Random) -> bytes:
    return _edit_match(NUMBER, content, rng)


def _lines(content: bytes, rng: Random) -> bytes:
    """Remove, repeat or swap lines."""
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return _cut(content, rng)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            del lines[one]
        case 1:
            lines[one:one] = [lines[other]] * rng.choice((1, 1, 3))
        case _:
            lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _recode(content: bytes, rng: Random) -> bytes:
    return content.decode("latin-1").encode(rng.choice(ENCODINGS), "ignore")


def _within(content: bytes, start: int, stop: int, rng: Random) -> bytes:
    """Change a part as text that is."""
    return content[:start] + _change_text(content[start:stop], rng) + content[stop:]


def _header_of_stream(content: bytes, rng: Random) -> bytes:
    """Change the JSON of a CSDAT stream, and let its length be right."""
    n = int.from_bytes(content[6:10], "little")
    header = _change_text(content[10 : 10 + n], rng)
    return content[:6] + len(header).to_bytes(4, "little") + header + content[10 + n :]


def _header_of_array(content: bytes, rng: Random) -> bytes:
    """Change the text of a NumPy array's header, and let its length be right."""
    n = int.from_bytes(content[8:10], "little")
    header = _change_text(content[10 : 10 + n], rng)[:65535]
    return content[:8] + len(header).to_bytes(2, "little") + header + content[10 + n :]


Change = Callable[[bytes, Random], bytes]
OF_BYTES: tuple[Change, ...] = (
    *(_cut, _truncate, _flip, _set, _repeat, _insert, _set_number, _set_number, _set_number),
)
OF_TEXT: tuple[Change, ...] = (
    *(_cut, _truncate, _flip, _set, _repeat, _insert, _word, _word, _word),
    *(_number, _number, _number, _number, _lines, _lines),
)
RARE: tuple[Change, ...] = (_run, _recode)


def _change_text(content: bytes, rng: Random) -> bytes:
    return rng.choice(OF_TEXT)(content, rng)


def _changes_of(content: bytes) -> tuple[Change, ...]:
    if content.startswith(b"\x95CSDAT"):
        return (*OF_BYTES, *[_header_of_stream] * 6)
    if content.startswith(b"\x93NUMPY"):
        return (*OF_BYTES, *[_header_of_array] * 6)
    is_text = b"\0" not in content
    return OF_TEXT if is_text else OF_BYTES


def mutate(content: bytes, rng: Random) -> bytes:
    """Change a file at one to four places.

    Args:
        content: Of a sound file.
        rng: Decides what is changed, so that its seed gives the file again.
    """
    changes = _changes_of(content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        change = rng.choice(RARE) if rng.random() < 0.03 else rng.choice(changes)
        content = change(content, rng)
    return content
