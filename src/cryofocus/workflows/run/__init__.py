"""What every command that leaves files shares: directories, locks, logs, checkpoints.

In reading order: `lock`, `claims`, `new_names`, `writing`, `new_directory`, `files`, `yaml_file`,
`reading`, `record`, `job`, `log`, `table_findings`, `checkpoint`, `former`, `directory`, `poses`.
"""
