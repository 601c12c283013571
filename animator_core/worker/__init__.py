"""The worker process: its life, its messages, its filters."""
