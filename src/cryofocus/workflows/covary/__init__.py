"""`cryofocus covary`: which regions vary together.

In reading order: `inputs`, `levels`, `tables`, `record`, `run`.
"""
