"""One kernel for each of `optimized.operations`, which stay the readable definition: written in Triton, for CUDA.

`choice` alone may be imported where the package triton is not installed.
"""
