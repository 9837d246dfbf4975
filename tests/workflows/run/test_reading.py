"""Files of our own that were damaged are one message, whatever an unpacker makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import FormatError
from cryofocus.workflows.run.reading import explain_damage, read_numbers

N_SPOILED = 400


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an archive."""
    with (
        explain_damage(path, "Make it again."),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archives_are_a_message(tmp_path: Path, save: object) -> None:
    """With a few bytes changed anywhere an archive is read, or refused with the way out."""
    path, generator = tmp_path / "poses.npz", np.random.default_rng(0)
    rotation = generator.random((7, 3, 3))
    assert callable(save)
    save(path, rotation=rotation, shift=rotation[:, 0])
    sound = np.frombuffer(path.read_bytes(), np.uint8)
    said = []
    for _ in range(N_SPOILED):
        spoiled = sound.copy()
        # Most of them where the archive says what it holds, which is its end.
        places = len(spoiled) - 1 - generator.integers(len(spoiled), size=3) // (1, 1, 3)
        spoiled[places] = generator.integers(256, size=3)
        path.write_bytes(spoiled.tobytes())
        try:
            read_archive(path)
        except FormatError as error:
            said.append(str(error))
    assert len(said) > 0.9 * N_SPOILED
    assert all(text.startswith(f"{path}: missing or damaged (") for text in said)
    assert all(text.endswith("Make it again.") for text in said)


def test_a_header_that_asks_for_too_much_is_damage(tmp_path: Path) -> None:
    """Numbers whose header claims more than the file holds take no memory to be refused."""
    path = tmp_path / "posteriors.npy"
    np.save(path, np.ones((11, 2), np.float32))
    np.testing.assert_array_equal(read_numbers(path, (11, 2)), 1)
    path.write_bytes(path.read_bytes().replace(b"(11, 2), }      ", b"(9999999999, 2)}"))
    with pytest.raises(FormatError, match="missing or damaged"):
        read_numbers(path, (9999999999, 2))


def test_a_header_with_a_number_of_thousands_of_digits_is_damage(tmp_path: Path) -> None:
    """What Python itself refuses to read as a number is refused as any other damage."""
    path = tmp_path / "posteriors.npy"
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 5000}, 2), }}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(FormatError, match="missing or damaged"):
        read_numbers(path, (2, 2))
