"""What every command that leaves files shares: directories, locks, logs, checkpoints.

In reading order: `new_names`, `writing`, `new_directory`, `files`, `lock`, `log`, `yaml_file`,
`reading`, `record`, `job`, `checkpoint`, `former`, `directory`, `poses`.
"""
