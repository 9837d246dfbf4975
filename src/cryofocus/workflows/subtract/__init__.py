"""`cryofocus subtract`: images without what lies outside a mask.

In reading order: `inputs`, `density`, `table`, `record`, `run`.
"""
