"""The seam between OBS and the worker: frame rings, messages, face settings, names of characters."""
