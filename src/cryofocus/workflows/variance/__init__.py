"""`cryofocus variance`: where particles differ.

In reading order: `inputs`, `maps`, `tables`, `peaks`, `focus_proposal`, `result`, `outputs`,
`run`.
"""
