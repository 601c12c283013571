"""The networks that run for every frame, with less arithmetic and the same results up to rounding.

Made from the folded networks, which stay the readable definition; docs/PERFORMANCE.md counts what is saved.
"""
