"""What computes, and what people see of it.

In reading order: `machine`, `hardware`, `resources`, `slurm_jobs`, `cluster_choice`, `cluster`,
`progress`, `progress_monitor`, `kernel_check`.
"""
