"""Stand-ins for the inputs of onnxruntime and its painter."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS

NETWORKS = SimpleNamespace(version="0123456789abcdef0123", device="cpu")


class Value:
    """Stands for an OrtValue: an array in a named memory."""

    def __init__(self, array: np.ndarray, memory: str, index: int) -> None:
        self.array, self.place = array.copy(), (memory, index)

    ortvalue_from_numpy = classmethod(lambda cls, array, memory, index: cls(array, memory, index))

    def numpy(self) -> np.ndarray:
        return self.array


def small_model() -> bytes:
    """Return a graph with the real one's inputs and outputs that adds up its inputs."""
    import onnx

    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Sum", list(INPUTS), ["sum"]),
        helper.make_node("Relu", ["sum"], ["picture"]),
        helper.make_node("Neg", ["sum"], ["deformation"]),
    ]
    ends = {name: helper.make_tensor_value_info(name, kind, [1, 21, 3]) for name in (*INPUTS, *OUTPUTS)}
    graph = helper.make_graph(nodes, "sum", [ends[name] for name in INPUTS], [ends[name] for name in OUTPUTS])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
