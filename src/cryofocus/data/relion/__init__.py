"""RELION's particle STAR files.

In reading order: `columns`, `table`, `new`.
"""
