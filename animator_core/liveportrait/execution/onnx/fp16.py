"""Convert the float32 graph to float16.

Convolutions, with nearly all of the weights, run in float16, and so do the operators after them up to the next that
needs float32. onnxruntime's own converter rounds the graph's inputs and every result between two float32 operators:
keypoints and sampling coordinates would be off by a tenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_FP16 = frozenset({"Conv", "ConvTranspose"})
_FP32 = frozenset({"Sigmoid", "Softmax"})
"""The deformation, from softmax on, and the end of the picture are computed in float32."""
_FP32_INSIDE = frozenset({"InstanceNormalization"})
"""Squares overflow in float16; the results are used in float16."""


def to_fp16(model: Any) -> Any:
    """Convert a ``ModelProto`` to float16 in place and return it; inputs and outputs stay float32.

    The sets above have fixed types; any other operator runs in float16 if one of its inputs does.
    """
    graph = model.graph
    conversion = _Conversion(graph)
    nodes = [each for node in graph.node for each in conversion.converted(node)]
    assert not conversion.fp16.intersection(each.name for each in graph.output), "outputs are float32"
    used = {name for node in nodes for name in node.input}
    nodes = [node for node in nodes if used.intersection(node.output) or node.op_type != "Constant"]
    constants = [each for each in (*graph.initializer, *conversion.constants) if each.name in used]
    # The exporter's value_info has the old types.
    for field, values in ((graph.node, nodes), (graph.initializer, constants), (graph.value_info, [])):
        del field[:]
        field.extend(values)
    return model


class _Conversion:
    """One pass over the nodes in order.

    fp16: names of the results in float16. constants: the float16 copies.
    """

    def __init__(self, graph: Any) -> None:
        import onnx

        self._onnx = onnx
        self._floats = {each.name for each in graph.input if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self._given = {each.name: each for each in graph.initializer}
        self._cast: set[str] = set()
        self.fp16: set[str] = set()
        self.constants: list[Any] = []

    def converted(self, node: Any) -> Iterator[Any]:
        """Yield the replacement of ``node``, the next of the graph: itself, with casts before and after."""
        if node.op_type == "Constant":
            self._given[node.output[0]] = node.attribute[0].t
            yield node
            return
        has_fp16 = any(name in self.fp16 for name in node.input)
        is_fp16 = node.op_type in _FP16 or (has_fp16 and node.op_type not in _FP32 | _FP32_INSIDE)
        if self._makes_floats(node):
            self._floats.update(node.output)
        # The scales of a Resize keep their type.
        for position in range(1 if node.op_type == "Resize" else len(node.input)):
            name = node.input[position]
            if self._is_float(name) and is_fp16 != (name in self.fp16):
                node.input[position] = name + ("_in_half" if is_fp16 else "_in_single")
                yield from self._casts(name, node.input[position], is_fp16)
        yield node
        if is_fp16:
            self.fp16.update(node.output)
        elif has_fp16 and node.op_type in _FP32_INSIDE:
            (result,) = node.output
            node.output[0] = result + "_in_single"
            yield from self._casts(node.output[0], result, True)
            self.fp16.add(result)

    def _makes_floats(self, node: Any) -> bool:
        if node.op_type == "Cast":
            return bool(node.attribute[0].i == self._onnx.TensorProto.FLOAT)
        return self._is_float(node.input[0])

    def _is_float(self, name: str) -> bool:
        given = self._given.get(name)
        return name in self._floats if given is None else given.data_type == self._onnx.TensorProto.FLOAT

    def _casts(self, name: str, result: str, to_fp16: bool) -> Iterator[Any]:
        if result in self._cast:
            return
        self._cast.add(result)
        if name in self._given:
            values = self._onnx.numpy_helper.to_array(self._given[name]).astype(np.float16)
            self.constants.append(self._onnx.numpy_helper.from_array(values, result))
        else:
            kind = self._onnx.TensorProto.FLOAT16 if to_fp16 else self._onnx.TensorProto.FLOAT
            yield self._onnx.helper.make_node("Cast", [name], [result], name=f"{result}_cast", to=kind)
