"""cryoSPARC's particle files.

In reading order: `containers`, `lz4_block`, `dataset`, `optics`, `fields`, `table`, `new`,
`format`.
"""
