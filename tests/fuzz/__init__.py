"""Spoiled files: sound ones of every reader, changed at random, read, and the reader judged.

In reading order: `corpus`, `mutations`, `readers`, `judge`, and `campaign`, which
`scripts/fuzz` runs.
"""
