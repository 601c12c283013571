"""Drawn characters by Talking Head Anime 3 (Khungurn 2022); so far the networks, which no renderer uses yet."""
