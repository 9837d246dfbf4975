"""cryoSPARC's particle files.

In reading order: `containers`, `lz4_block`, `dataset`, `optics`, `poses`, `fields`, `table`,
`new`, `format`.
"""
