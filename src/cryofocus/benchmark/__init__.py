"""Accuracy, time and memory on simulated sets, beside the oracle; not needed to classify.

In reading order: `plan`, `cells`, `classify`, `run`, `poses`, `slices`, `tables`, `figures`,
`draw_curves`; `assembly`, `assembly_tables`, `assembly_figures`.
"""
