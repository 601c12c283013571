"""From a character and a driving motion to a picture."""
