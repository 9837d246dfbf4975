"""Reads a finished run directory and shows it: tables, figures, one page."""
