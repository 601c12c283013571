"""The worker side of Stream Motion Animator; importing it imports nothing heavy."""

__version__ = "0.1.0"
