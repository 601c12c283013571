"""The commands of ``python -m animator_core``, one module each: `add_arguments` and `run`."""
