"""What computes, and what people see of it.

In reading order: `machine`, `hardware`, `slurm_jobs`, `cluster_choice`, `cluster`, `resources`,
`progress`, `progress_monitor`, `display`, `kernel_check`.
"""
