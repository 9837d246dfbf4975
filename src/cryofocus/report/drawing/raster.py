"""Maps as pixels: values become colours, and colours a PNG file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer, UInt8
from scipy.ndimage import zoom

# The colours of ColorBrewer (https://colorbrewer2.org, Apache 2.0) and of matplotlib's viridis and
# magma (CC0), from low to high; what lies between is interpolated.
ANCHORS = {
    "gray": "000000 ffffff",
    "Greys": "ffffff f0f0f0 d9d9d9 bdbdbd 969696 737373 525252 252525 000000",
    "RdBu_r": "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
    "PuOr_r": "2d004b 542788 8073ac b2abd2 d8daeb f7f7f7 fee0b6 fdb863 e08214 b35806 7f3b08",
    "YlOrRd": "ffffcc ffeda0 fed976 feb24c fd8d3c fc4e2a e31a1c bd0026 800026",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
}
N_COLOURS, NOTHING = 255, 255
"""Colours of a palette; the one after them is white, for pixels without a value."""

Palette = UInt8[np.ndarray, "256 3"]


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels, the first row at the top.

    Attributes:
        pixels: Numbers of colours in the palette; without one, red, green and blue.
        palette: What the numbers stand for.
    """

    pixels: UInt8[np.ndarray, "rows columns"] | UInt8[np.ndarray, "rows columns 3"]
    palette: Palette | None = None

    def png(self) -> bytes:
        """Encode as a PNG file; https://www.w3.org/TR/png-3/."""
        rows, columns = self.pixels.shape[:2]
        lines = self.pixels.reshape(rows, -1)
        # A zero before every line: it is not filtered.
        data = np.pad(lines, ((0, 0), (1, 0))).tobytes()
        kind = 2 if self.palette is None else 3
        header = struct.pack(">2I5B", columns, rows, 8, kind, 0, 0, 0)
        colours = b"" if self.palette is None else _chunk(b"PLTE", self.palette.tobytes())
        # Level 9 takes five to eight times as long, and saves 2 %.
        packed = _chunk(b"IDAT", zlib.compress(data, 6))
        start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
        return start + colours + packed + _chunk(b"IEND", b"")

    def colours(self) -> UInt8[np.ndarray, "rows columns 3"]:
        """Return red, green and blue of every pixel."""
        return self.pixels if self.palette is None else self.palette[self.pixels]


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def palette(name: str) -> Palette:
    """Return the colours of a name, from low to high, and white."""
    anchors = np.array([list(bytes.fromhex(one)) for one in ANCHORS[name].split()], float)
    places = np.linspace(0, len(anchors) - 1, N_COLOURS)
    channels = [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T]
    white = np.full((1, 3), 255.0)
    colours = np.concatenate([np.stack(channels, axis=1), white])
    return np.asarray(np.rint(colours), np.uint8)


def number_colours(
    values: Float[np.ndarray, ...], low: float, high: float
) -> UInt8[np.ndarray, ...]:
    """Give the number in a palette of values between two ends; `NOTHING` where none is finite."""
    is_known = np.isfinite(values)
    shares = np.clip((np.where(is_known, values, low) - low) / (high - low), 0, 1)
    numbers = np.where(is_known, np.rint(shares * (N_COLOURS - 1)), NOTHING)
    return np.asarray(numbers, np.uint8)


def paint(
    values: Float[np.ndarray, "rows columns"],
    colours: str,
    ends: tuple[float, float],
    n_pixels: int = 0,
) -> Raster:
    """Paint a plane of a map.

    Args:
        values: The first row is the lowest.
        colours: Name of the palette.
        ends: Values of its first and its last colour.
        n_pixels: Longest edge of the picture at least, by interpolation; 0 leaves it as it is.
    """
    numbers = number_colours(enlarge(values, n_pixels)[::-1], *ends)
    return Raster(numbers, palette(colours))


def enlarge(
    values: Float[np.ndarray, "rows columns"], n_pixels: int
) -> Float[np.ndarray, "more_rows more_columns"]:
    """Interpolate between voxels, so that none is seen as a square."""
    factor = n_pixels / max(values.shape)
    if factor <= 1:
        return values
    return np.asarray(zoom(values, factor, order=3, mode="nearest", grid_mode=True))


def ramp(colours: str) -> Raster:
    """Show a palette from left to right."""
    numbers: Integer[np.ndarray, "one n"] = np.arange(N_COLOURS)[None]
    return Raster(numbers.astype(np.uint8), palette(colours))
