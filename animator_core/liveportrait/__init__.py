"""LivePortrait: the networks and the keypoint mathematics, tensors in, tensors out."""
