"""What every renderer has in common."""
