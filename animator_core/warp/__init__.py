"""The landmark warp: a renderer for any CPU."""
