"""From face observations to the motion that drives a character."""
