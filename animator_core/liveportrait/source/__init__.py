"""A character's features, its scene, and the paste-back of its face."""
