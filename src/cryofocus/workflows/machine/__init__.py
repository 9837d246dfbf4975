"""What computes, and what people see of it.

In reading order: `machine`, `cluster_choice`, `cluster`, `slurm_jobs`, `hardware`, `progress`,
`progress_monitor`, `kernel_check`.
"""
