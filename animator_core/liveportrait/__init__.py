"""LivePortrait: networks, how they run, their motion, what is kept of a character, and the renderer."""
