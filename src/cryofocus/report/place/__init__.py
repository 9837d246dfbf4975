"""The page on which a mask is placed by eye.

In reading order: `local_server`, `page`.
"""
