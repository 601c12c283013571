"""Recorded video: reading, animating offline, writing, sound, landmark tracks."""
