"""`cryofocus variance`: where particles differ.

In reading order: `inputs`, `result`, `maps`, `focus_proposal`, `regions`, `outputs`, `run`.
"""
