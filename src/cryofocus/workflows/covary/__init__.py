"""`cryofocus covary`: which regions vary together.

In reading order: `independence`, `inputs`, `levels`, `particle_level`, `record`, `tables`, `run`.
"""
