"""`cryofocus classify`, from table to run directory.

In reading order: `request`, `inputs`, `statistics_store`, `monitor`, `rounds`,
`related_classes`, `findings`, `tables`, `outputs`, `record`, `run`.
"""
