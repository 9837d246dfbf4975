"""RELION's particle STAR files.

In reading order: `optics`, `columns`, `copies`, `subtracted`, `rows`, `table`, `new`, `format`.
"""
