"""What the worker is made of: its pipes, its filters, and the threads that serve them."""
