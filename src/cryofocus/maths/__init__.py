"""Pure functions on arrays: Fourier grids, rotations, CTF, masks, statistics; no files."""
