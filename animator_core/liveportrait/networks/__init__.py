"""LivePortrait's networks as published, and the loading of their weights."""
