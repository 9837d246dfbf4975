"""The whole particle as a consensus and a few factors, each with a coordinate in every particle.

In reading order: `moments`, `supports`, `field_space`, `problem`, `model`, `outside`, `groups`.
"""
