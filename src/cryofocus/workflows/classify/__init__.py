"""`cryofocus classify`, from table to run directory.

In reading order: `request`, `inputs`, `images`, `statistics_store`, `monitor`, `rounds`,
`findings`, `related_classes`, `outputs`, `record`, `run`.
"""
