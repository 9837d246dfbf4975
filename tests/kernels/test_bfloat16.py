"""Numbers in half the bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryofocus.kernels.bfloat16 import decode, decode_complex, encode

NUMBERS = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-100)


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_what_is_decoded_is_the_nearest(numbers: list[float]) -> None:
    """The error of every number is at most half a step of eight bits."""
    values = np.array(numbers, np.float32)
    np.testing.assert_array_less(
        abs(decode(encode(values)) - values), 2.0**-8 * abs(values) + 1e-35
    )


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_what_was_stored_is_stored_as_it_is(numbers: list[float]) -> None:
    """Encoding what was decoded changes nothing."""
    once = encode(np.array(numbers, np.float32))
    np.testing.assert_array_equal(encode(decode(once)), once)


def test_halves_round_to_even_and_errors_have_no_bias() -> None:
    """A number halfway between two goes to the even one, so that sums are not shifted."""
    step = np.float32(2.0**-7)
    halves = np.float32(1) + step * np.array([0.5, 1.5, 2.5], np.float32)
    np.testing.assert_array_equal(decode(encode(halves)), 1 + step * np.array([0, 2, 2]))
    values = np.random.default_rng(1).uniform(1, 2, 100_000).astype(np.float32)
    error = decode(encode(values)) - values
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(values))


def test_complex_numbers_are_pairs() -> None:
    """Real and imaginary parts are stored side by side and come back together."""
    values = np.array([[1 + 2j, -3.5j], [0, 4 - 8j]], np.complex64)
    stored = encode(values)
    assert stored.shape == (2, 2, 2)
    np.testing.assert_array_equal(decode_complex(stored), values)
