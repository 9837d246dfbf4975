"""STAR files that keep every byte their author wrote.

In reading order: `scan`, `cells`, `faults`, `edit`, `document`.
"""
