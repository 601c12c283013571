"""The renderer that needs neither a GPU nor weights: it bends the picture by its landmarks."""
