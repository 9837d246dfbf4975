"""What computes, and what people see of it.

In reading order: `machine`, `hardware`, `resources`, `cluster_choice`, `slurm_jobs`, `cluster`,
`progress`, `progress_monitor`, `kernel_check`.
"""
