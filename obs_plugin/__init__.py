"""The plugin's side inside OBS: standard library, obspython and ctypes only."""

if __name__ == "__init__":
    __import__("wrong_script").claim(globals())
