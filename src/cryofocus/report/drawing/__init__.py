"""What all pages are drawn with.

In reading order: `style`, `section`, `chart`, `raster`, `sheet`, `slices`, `shaded`, `surfaces`.
"""
