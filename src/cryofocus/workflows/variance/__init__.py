"""`cryofocus variance`: where particles differ.

In reading order: `inputs`, `maps`, `peaks`, `focus_proposal`, `result`, `outputs`, `run`.
"""
