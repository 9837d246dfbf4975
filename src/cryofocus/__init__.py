"""Focused classification of single-particle cryo-EM images.

The public names stand in `__init__.pyi`, each with the module it lives in. Each is loaded when it
is first used, so that importing cryofocus costs nothing.

Examples:
    >>> from cryofocus import ClassifierSettings, FocusedClassifier, FocusMask, ParticleSet
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
