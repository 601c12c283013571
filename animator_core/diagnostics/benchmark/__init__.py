"""Measures what a frame costs on this machine, with and without what spares work, and how far that changes pictures."""
