"""The live loop: from a tracked frame to a picture, with fallback, quality ladder and background preparation."""
