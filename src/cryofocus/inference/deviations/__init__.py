"""The default path: classes are deviations from the consensus inside a small box.

In reading order: `focus`, `deviation`, `prior`, `likelihood`, `sharded_statistics`, `problem`,
`subspace`, `mixture`, `incremental`, `em`, `comparison`; and the strategies made of it,
`residual`, `subtract`, `mask3d`.
"""
