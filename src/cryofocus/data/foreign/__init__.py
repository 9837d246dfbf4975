"""Habits of other programs: what their columns mean here, and how their files are packed."""
