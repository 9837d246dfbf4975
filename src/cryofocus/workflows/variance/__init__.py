"""`cryofocus variance`: where particles differ.

In reading order: `inputs`, `result`, `maps`, `focus_proposal`, `outputs`, `run`.
"""
