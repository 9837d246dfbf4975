"""The page of a classification.

In reading order: `results`, `words`, `tables`, `charts`, `views`, `shown_maps`, `planes`,
`surface_section`, `latent`, `analyses`, `chimerax`, `page`.
"""
