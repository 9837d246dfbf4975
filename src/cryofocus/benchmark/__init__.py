"""Accuracy, time and memory on simulated sets, beside the oracle; not needed to classify.

In reading order: `plan`, `cells`, `classify`, `run`, `tables`, `titration`, `convergence`,
`slices`, `poses`, `pose_tables`, `figures`, `draw_kappa`, `draw_reliability`,
`draw_convergence`, `draw_slices`.
"""
