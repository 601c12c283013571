"""The per-frame networks run by onnxruntime, for machines without CUDA; nothing here is loaded unless it is chosen."""
