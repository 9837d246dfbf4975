"""Synthetic particles with known truth: the humanoid phantom and image formation."""
