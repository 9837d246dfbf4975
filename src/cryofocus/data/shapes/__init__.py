"""What others placed in the frame of a map: atomic models, and the spheres of markers.

In reading order: `models`, `markers`.
"""
