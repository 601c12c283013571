"""What doctor checks, and the benchmark."""
