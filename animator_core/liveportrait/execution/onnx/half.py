"""The graph in half precision, made from the file in single precision: torch computes nothing for it.

Convolutions, whose weights are nearly all of the file, run in float16, and so does whatever comes after them up to the
next operator that must not. The converter that onnxruntime brings with it rounds the graph's inputs, and every result
that passes between two operators kept in float32: keypoints and sampling places would be off by a tenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_HALF = frozenset({"Conv", "ConvTranspose"})
_SINGLE = frozenset({"Sigmoid", "Softmax"})
"""The deformation is made of the shares that softmax gives, in float32; so the picture ends, too."""
_SINGLE_INSIDE = frozenset({"InstanceNormalization"})
"""Squares overflow in float16; what comes out is used in float16."""


def halved(model: Any) -> Any:
    """Return the given ``ModelProto``, changed to half precision; inputs and outputs stay float32.

    The lists above decide by what a result is made of: anything else is in float16 where one of its inputs is.
    """
    graph = model.graph
    conversion = _Conversion(graph)
    nodes = [each for node in graph.node for each in conversion.converted(node)]
    assert not conversion.half.intersection(each.name for each in graph.output), "outputs are float32"
    used = {name for node in nodes for name in node.input}
    nodes = [node for node in nodes if used.intersection(node.output) or node.op_type != "Constant"]
    constants = [each for each in (*graph.initializer, *conversion.constants) if each.name in used]
    # What the exporter noted of results' types holds no more.
    for field, values in ((graph.node, nodes), (graph.initializer, constants), (graph.value_info, [])):
        del field[:]
        field.extend(values)
    return model


class _Conversion:
    """One pass over the nodes in their order.

    half: the results that are in float16. constants: those made in float16.
    """

    def __init__(self, graph: Any) -> None:
        import onnx

        self._onnx = onnx
        self._floats = {each.name for each in graph.input if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self._given = {each.name: each for each in graph.initializer}
        self._cast: set[str] = set()
        self.half: set[str] = set()
        self.constants: list[Any] = []

    def converted(self, node: Any) -> Iterator[Any]:
        """Yield what takes the place of ``node``, the next of the graph: itself, with casts before and after it."""
        if node.op_type == "Constant":
            self._given[node.output[0]] = node.attribute[0].t
            yield node
            return
        has_half = any(name in self.half for name in node.input)
        is_half = node.op_type in _HALF or (has_half and node.op_type not in _SINGLE | _SINGLE_INSIDE)
        if self._makes_floats(node):
            self._floats.update(node.output)
        # What a picture is enlarged by stays as it is.
        for position in range(1 if node.op_type == "Resize" else len(node.input)):
            name = node.input[position]
            if self._is_float(name) and is_half != (name in self.half):
                node.input[position] = name + ("_in_half" if is_half else "_in_single")
                yield from self._casts(name, node.input[position], is_half)
        yield node
        if is_half:
            self.half.update(node.output)
        elif has_half and node.op_type in _SINGLE_INSIDE:
            (result,) = node.output
            node.output[0] = result + "_in_single"
            yield from self._casts(node.output[0], result, True)
            self.half.add(result)

    def _makes_floats(self, node: Any) -> bool:
        if node.op_type == "Cast":
            return bool(node.attribute[0].i == self._onnx.TensorProto.FLOAT)
        return self._is_float(node.input[0])

    def _is_float(self, name: str) -> bool:
        given = self._given.get(name)
        return name in self._floats if given is None else given.data_type == self._onnx.TensorProto.FLOAT

    def _casts(self, name: str, result: str, to_half: bool) -> Iterator[Any]:
        if result in self._cast:
            return
        self._cast.add(result)
        if name in self._given:
            values = self._onnx.numpy_helper.to_array(self._given[name]).astype(np.float16)
            self.constants.append(self._onnx.numpy_helper.from_array(values, result))
        else:
            kind = self._onnx.TensorProto.FLOAT16 if to_half else self._onnx.TensorProto.FLOAT
            yield self._onnx.helper.make_node("Cast", [name], [result], name=f"{result}_cast", to=kind)
