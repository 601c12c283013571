"""What ``doctor`` looks at, by subject: installation, onnxruntime, animation, machine, OBS."""
