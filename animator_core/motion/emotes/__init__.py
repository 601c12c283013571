"""Emotes: short motions that play over the live face."""
