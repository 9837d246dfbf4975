"""`cryofocus align`: poses refined, searched for, combined.

In reading order: `pose_columns`, `search_inputs`, `search`, `refine`, `combine`.
"""
