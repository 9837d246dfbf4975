"""The pages and figures of all other commands.

In reading order: `page`, `variance`, `variance_figures`, `covary`, `covary_figures`,
`differences`, `fsc`, `subtraction`, `poses`.
"""
