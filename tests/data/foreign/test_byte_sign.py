"""Bytes are read by the sign that their values have, where a header contradicts them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.foreign.byte_sign import is_other_sign
from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from particle_files import write_stack_file


def noise(middle: float, deviation: float, n: int = 40_000) -> np.ndarray:
    """Noise as a program rounds it to bytes, clipped at the ends of the range."""
    drawn = np.random.default_rng(1).normal(middle, deviation, n)
    low, high = (0, 255) if middle > 60 else (-128, 127)
    return np.clip(np.rint(drawn), low, high).astype(np.uint8 if low == 0 else np.int8)


@pytest.mark.parametrize("deviation", [12.0, 25.0, 42.0, 60.0])
@pytest.mark.parametrize("middle", [128.0, 100.0, 0.0, -30.0])
def test_noise_has_the_sign_it_was_rounded_with(middle: float, deviation: float) -> None:
    """Said rightly, it is left alone; said wrongly, it is found out where anything wraps."""
    data = noise(middle, deviation)
    is_signed = data.dtype == np.int8
    assert not is_other_sign(data.view(np.int8), is_signed=is_signed)
    if 0.1 < (data.view(np.int8) < 0).mean() < 0.9:
        assert is_other_sign(data.view(np.int8), is_signed=not is_signed)


@pytest.mark.parametrize("is_signed", [True, False])
def test_what_says_nothing_is_left_as_the_header_has_it(is_signed: bool) -> None:  # noqa: FBT001
    """Masks, values that fit either sign, images in a frame of the lowest value, a few bytes."""
    rng = np.random.default_rng(2)
    framed = np.full((40, 40, 40), -128, np.int8)
    framed[:, 10:30, 10:30] = np.clip(rng.normal(60, 20, (40, 20, 20)), 0, 127)
    for data in (
        np.repeat(np.array([0, 255], np.uint8), 4000),
        np.clip(rng.normal(60, 15, 9000), 0, 127).astype(np.int8),
        noise(128.0, 30.0, 500),
    ):
        assert not is_other_sign(data.view(np.int8), is_signed=is_signed)
    assert not is_other_sign(framed.ravel(), is_signed=True)


def test_a_stack_whose_header_is_wrong_is_read_by_its_values_and_said(
    particle_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """IMOD's stamp says signed, but 128 is the middle."""
    stack = particle_file.parent / "stack.mrcs"
    box = 32
    images = noise(128.0, 30.0, 4 * box * box).reshape(4, box, box)
    write_stack_file(stack, images.view(np.int8))
    raw = bytearray(stack.read_bytes())
    raw[152:156], raw[156:160] = b"IMOD", (1).to_bytes(4, "little")
    stack.write_bytes(raw)
    text = particle_file.read_text()
    particle_file.write_text(text.replace("2.0 8\n", f"2.0 {box}\n"))
    with caplog.at_level(logging.INFO, "cryofocus"):
        particles = ParticleSet.read(particle_file)
    assert "stack.mrcs: bytes (mode 0) that are signed by the header, but make sense only" in (
        caplog.text
    )
    read = ImageReader(particles).read(np.arange(4))
    np.testing.assert_array_equal(read, images[particles.slice_of_particle].astype(np.float32))
