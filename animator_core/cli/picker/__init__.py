"""Lets the user mark a face in a window, for pictures whose face no detector finds."""
