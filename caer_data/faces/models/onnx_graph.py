"""Writing an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSET: Final = 17
_IR_VERSION: Final = 8
"""Version of the ONNX file format, old enough for every supported release of ONNX Runtime."""


class Graph:
    """Nodes and constants of a graph with the input `pictures` (bytes) and one output."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        from onnx import helper

        name = f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def model(
        self,
        input_shape: Sequence[str | int],
        output: str,
        output_shape: Sequence[str | int],
        metadata: dict[str, str],
    ) -> ModelProto:
        """Return the finished model.

        Args:
            input_shape: shape of `pictures`; a name means any length.
            output: name of the node whose result is the graph's output.
            output_shape: shape of the output.
            metadata: entries to store in the file besides the graph.
        """
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self._nodes,
            "caer-data",
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, input_shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
            self._constants,
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="caer-data"
        )
        helper.set_model_props(model, metadata)
        return model
