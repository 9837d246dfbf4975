"""`cryofocus simulate`: particles whose truth is known.

In reading order: `tables`, `images`, `humanoid`, `model`, `assembly_tables`,
`assembly`.
"""
