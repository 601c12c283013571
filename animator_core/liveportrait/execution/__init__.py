"""Running LivePortrait's networks: devices, optimized modules, kernels, CUDA graphs, torch.compile, onnxruntime."""
