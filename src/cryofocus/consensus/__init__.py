"""What all classes share: images, their noise, the consensus map, what it leaves of images.

In reading order: `band`, `treatment`, `images`, `noise`, `image_model`, `sampling`, `insertion`,
`lowest_shells`, `reconstruct`, `reach`, `memory`, `grey_levels`, `band_search`, `subparticles`,
`preparation`, `consensus`, `background`, `half_grids`, `subtraction`, `resolution`,
`residual_power`, `match`, `residuals`, `outliers`, `misfits`, `ground`.
"""
