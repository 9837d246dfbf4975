"""What every command that leaves files shares: directories, locks, logs, checkpoints.

In reading order: `new_names`, `writing`, `new_directory`, `files`, `lock`, `yaml_file`,
`reading`, `record`, `job`, `log`, `table_findings`, `checkpoint`, `former`, `directory`, `poses`.
"""
