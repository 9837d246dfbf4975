"""The page of a classification.

In reading order: `results`, `contents`, `words`, `tables`, `charts`, `views`, `shown_maps`,
`map_figures`, `map_sections`, `surface_section`, `latent`, `analyses`, `chimerax`, `page`.
"""
