"""A ribosome that assembles, turns and binds: a realistic set whose truth is known.

In reading order: `settings`, `ribosome`, `states`, `specimens`, `imaging`, `densities`, `oracles`.
"""
