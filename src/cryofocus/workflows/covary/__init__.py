"""`cryofocus covary`: which regions vary together.

In reading order: `inputs`, `levels`, `particle_level`, `record`, `tables`, `run`.
"""
