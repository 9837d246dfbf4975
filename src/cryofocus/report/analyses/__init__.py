"""The pages of all other commands.

In reading order: `page`, `variance`, `covary`, `differences`, `fsc`, `subtraction`.
"""
