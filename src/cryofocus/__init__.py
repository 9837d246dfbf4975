"""Focused classification of single-particle cryo-EM images."""

from __future__ import annotations

__version__ = "0.1.0"
