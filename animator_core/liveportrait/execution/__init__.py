"""How LivePortrait's networks run: devices, graphs, kernels, onnxruntime."""
