"""Images told wrongly: which groups look odd, what else their table may mean, what fits better.

In reading order: `profiles` (which groups are looked into), `alternatives` (what is tried),
`evidence` (how well it fits), `misfit` (what is found), `roundness` (whether poses are those of
the images at all), `check` (all of it).
"""
