"""Whole maps, compared with images inside the projected region only.

In reading order: `projected_mask`, `white_images`, `region_likelihood`, `whole_maps`,
`comparison`, `strategy`, `masked_maps`.
"""
