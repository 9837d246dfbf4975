"""The checker that the test run applies to every signature of the package (see pyproject.toml)."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check_shapes = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Checks arguments and results on every call; an int may stand for a float, as for mypy."""
