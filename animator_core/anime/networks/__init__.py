"""The five networks of Talking Head Anime 3 ("separable_float"), by the names that their checkpoints use.

Pictures are (N, 4, H, W) float32 RGBA in linear light, premultiplied by alpha and scaled to -1 … 1; transparent
pixels are -1 in every channel. Parameters are in the order of `anime.parameters`.
"""
