"""Maps as results: regions, differences, resolution and rigid alignment; arrays in, arrays out."""
