"""CuPy has what is asked of a library of arrays; that can be seen without a GPU."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

import cryofocus

OPERATION = re.compile(r"\b(?:xp|namespace\(\w+(?:\.\w+)*\))\.(\w+)")
TRANSFORM = re.compile(r"(?:\bfft\.|\")(i?r?fftn?|i?fftshift)\b")


@pytest.fixture(scope="module")
def cupy() -> ModuleType:
    """The standard's namespace of CuPy."""
    pytest.importorskip("cupy", reason="CuPy is not installed; pip install '.[cuda]'")
    return importlib.import_module("array_api_compat.cupy")


def find_names(pattern: re.Pattern[str]) -> set[str]:
    """Return all that a pattern finds in the sources."""
    folder = Path(cryofocus.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    return {name for text in texts for name in pattern.findall(text)}


def test_every_operation_exists(cupy: ModuleType) -> None:
    """What inference takes from a namespace is in CuPy's, and so are the transforms."""
    operations, transforms = find_names(OPERATION), find_names(TRANSFORM)
    assert {"take", "tensordot", "stack", "fft"} <= operations
    assert {"fft", "irfft", "rfftn", "ifftshift"} <= transforms
    assert not [name for name in operations if not hasattr(cupy, name)]
    assert not [name for name in transforms if not hasattr(cupy.fft, name)]


def test_memory_can_be_given_by_others(cupy: ModuleType) -> None:
    """The pool and the allocator by which both libraries keep to one bound."""
    library = importlib.import_module("cupy")
    cuda = library.cuda
    assert callable(library.fft.config.get_plan_cache)
    assert callable(cuda.set_allocator)
    assert {"malloc", "total_bytes", "free_all_blocks"} <= set(dir(cuda.MemoryPool))
    assert issubclass(cuda.memory.OutOfMemoryError, MemoryError)
