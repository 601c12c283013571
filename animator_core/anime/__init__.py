"""Drawn characters, animated by Talking Head Anime 3 (Khungurn 2022): networks, motion basis, renderer."""
