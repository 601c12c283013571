"""Camera, outputs, keys and statistics lines of ``run``: the other ends of the live loop."""
