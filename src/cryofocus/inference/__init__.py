"""Focused classification.

In reading order: `settings`, `runs`, `posterior`, `strategy`, `references`, `background`,
`deviations`, `mask2d`, `variability`, `strategies`, `checkpoint`, `classifier`.
"""
