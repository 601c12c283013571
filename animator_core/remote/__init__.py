"""A worker on another computer: the wire, the host that owns the workers, and the link of the computer with OBS."""
