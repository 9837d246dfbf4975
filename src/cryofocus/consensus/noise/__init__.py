"""Noise spectra: what they are (`spectra`), and how they are measured on images (`power`)."""
