"""Axes along which particles vary, and how many states they hold.

In reading order: `resampling`, `latent`, `states`, `kept`, `variability`.
"""
