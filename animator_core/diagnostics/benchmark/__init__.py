"""Measures the frame time on this machine, with and without caching, and the error that caching causes."""
