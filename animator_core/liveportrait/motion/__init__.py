"""LivePortrait's motion: crops, pose and expression, transfer, retargeting, templates."""
