"""What computes, and what people see of it.

In reading order: `machine`, `progress`, `progress_monitor`, `cluster_choice`, `slurm_jobs`,
`cluster`, `kernel_check`, `self_check`.
"""
