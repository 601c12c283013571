"""The live loop: one frame from tracking to picture, what is animated, and how well."""
