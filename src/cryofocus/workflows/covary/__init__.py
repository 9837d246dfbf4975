"""`cryofocus covary`: which regions vary together.

In reading order: `inputs`, `levels`, `record`, `tables`, `run`.
"""
