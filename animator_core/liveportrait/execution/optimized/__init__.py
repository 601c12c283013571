"""The per-frame networks with less arithmetic and, up to rounding, the same results; made from the folded ones.

docs/PERFORMANCE.md counts the savings.
"""
