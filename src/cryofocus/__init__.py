"""Focused classification of single-particle cryo-EM images.

The names below are the public interface of the package; each is loaded when it is first used, so
that importing cryofocus costs nothing.

Examples
--------
>>> from cryofocus import ClassifierSettings, FocusedClassifier, FocusMask, ParticleSet
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "ClassificationResult",
    "ClassifierSettings",
    "FocusMask",
    "FocusedClassifier",
    "HumanoidSettings",
    "ImageReader",
    "ParticleSet",
    "evaluate",
    "select_kernels",
    "simulate_humanoid",
]

_HOME = {
    "ClassificationResult": "cryofocus.inference.classifier",
    "ClassifierSettings": "cryofocus.inference.settings",
    "FocusMask": "cryofocus.data.mask",
    "FocusedClassifier": "cryofocus.inference.classifier",
    "HumanoidSettings": "cryofocus.simulate.settings",
    "ImageReader": "cryofocus.data.images",
    "ParticleSet": "cryofocus.data.particles",
    "evaluate": "cryofocus.workflows.evaluate",
    "select_kernels": "cryofocus.kernels.select",
    "simulate_humanoid": "cryofocus.workflows.simulate",
}

if TYPE_CHECKING:
    from cryofocus.data.images import ImageReader
    from cryofocus.data.mask import FocusMask
    from cryofocus.data.particles import ParticleSet
    from cryofocus.inference.classifier import ClassificationResult, FocusedClassifier
    from cryofocus.inference.settings import ClassifierSettings
    from cryofocus.kernels.select import select_kernels
    from cryofocus.simulate.settings import HumanoidSettings
    from cryofocus.workflows.evaluate import evaluate
    from cryofocus.workflows.simulate import simulate_humanoid


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cryofocus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return [*__all__, "__version__"]
