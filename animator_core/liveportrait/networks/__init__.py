"""LivePortrait's networks as published, and loading their weights."""
