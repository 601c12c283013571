"""What ``run`` is made of: camera, capture and tracking threads, character shelf, outputs, statistics lines."""
