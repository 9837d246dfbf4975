"""`cryofocus classify`, from table to run directory.

In reading order: `request`, `groundwork`, `inputs`, `statistics_store`, `monitor`, `rounds`,
`related_classes`, `verdict`, `findings`, `proposed_region`, `tables`, `outputs`,
`record`, `run`.
"""
