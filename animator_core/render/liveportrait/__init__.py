"""LivePortrait as a renderer: networks in the middle, a clean moving edge and the whole picture around them."""
