"""Figures for papers and notebooks, drawn by matplotlib, an extra; pages need none of them.

In reading order: `plotting`, `style`, `sheets`, `certainty`, `fsc`, `variance`, `covary`, `power`,
`poses`, `logfile`. Only `plotting` may be imported without matplotlib.
"""
