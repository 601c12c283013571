"""From camera frames to face observations (MediaPipe)."""
