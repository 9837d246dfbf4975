"""`cryofocus align`: poses refined, searched for, combined.

In reading order: `search_inputs`, `search`, `groups`, `refine`, `combine`.
"""
