"""Faces by the Virtual Motion Capture protocol, OSC over UDP: in from other programs and phones, and out to them."""
