"""What all pages are drawn with.

In reading order: `style`, `section`, `slices`, `surfaces`.
"""
