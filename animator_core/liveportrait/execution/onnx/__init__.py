"""The per-frame networks in onnxruntime, for machines without CUDA, or with TensorRT."""
