"""The still pictures that are animated."""
