"""What crosses between OBS and the worker: frame rings, messages, names of characters."""
