"""Focused classification.

In reading order: `strategy` (one record), `cycles`, `posterior`, `comparison`, `references`,
`deviations`, `mask2d`, `variability`, `strategies`, `settings`, `driver`, `runs`, `classifier`.
"""
