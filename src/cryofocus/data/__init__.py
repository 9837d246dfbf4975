"""Files become validated, frozen objects here, once, in the conventions of this package.

In reading order, from a file of particles to their images: `particles`, `formats`,
`particle_format`, `particle_table`, `plausible`, then the folder of a format (`relion`,
`cryosparc`, `cistem`; `star` is the syntax of two, `foreign` what is known of other programs'
habits), `expansion`, `stack_paths`, `stack_check`, `mrc`, `images`, `resampling`. What commands
write into tables: `labels`, `abilities`. Maps, masks and models: `volume`, `mask`, `grid_map`,
`shapes`.
"""
