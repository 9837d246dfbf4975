"""Focused classification of single-particle cryo-EM images.

Commands are functions with the options of the command line as keywords:

- `classify(table, output, focus=(x, y, z, radius), classes=2)`, or `focus="auto"`, sorts particles
  by what happens in one place; `open_run(output)` reads such a run again.
- `variance`, `covary`, `diffmap_run`, `fsc`: where particles differ, which regions vary together,
  where class maps differ, how well they are resolved.
- `select`, `subtract`, `expand`, `collapse`, `convert`, `align_search`, `align_refine`: tables and
  images for the next step; `ParticleSet.read(table)` reads one of any format.
- `simulate_humanoid`, `evaluate`: sets with a known truth, to try it on.

Names that end in `Settings` or `Request` hold options of the command of that name. `help` of one
name, such as `help(cryofocus.classify)`, is short.

The public names stand in `__init__.pyi`, each with the module it lives in. Each is loaded when it
is first used, so that importing cryofocus costs nothing.

Examples:
    >>> from cryofocus import ClassifierSettings, FocusedClassifier, FocusMask, ParticleSet
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
