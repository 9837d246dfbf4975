"""RELION's particle STAR files.

In reading order: `optics`, `columns`, `meaning`, `copies`, `subtracted`, `rows`, `table`, `new`,
`format`.
"""
