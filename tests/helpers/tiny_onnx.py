"""Small ONNX networks with the inputs and outputs of real ones, with made-up weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def arcface(batch="N", size=112, dimensions=512):
    """A network of ArcFace's shape: averages over an 8 by 8 grid, then a fixed random matrix."""
    return _embedding(batch, size, dimensions, "data", [], [])


def sface(dimensions=128):
    """A network of SFace's shape, which brings colours of 0 to 255 around 0 by itself."""
    nodes = [
        helper.make_node("Sub", ["data", "middle"], ["centred"]),
        helper.make_node("Mul", ["centred", "part"], ["small"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("middle", 127.5), ("part", 1 / 128))
    ]
    return _embedding(1, 112, dimensions, "small", nodes, weights)


def _embedding(batch, size, dimensions, of, before, weights):
    matrix = np.random.default_rng(0).normal(size=(3 * 64, dimensions)).astype(np.float32)
    window = size // 8
    nodes = [
        *before,
        helper.make_node(
            "AveragePool", [of], ["grid"], kernel_shape=[window] * 2, strides=[window] * 2
        ),
        helper.make_node("Flatten", ["grid"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["vector"]),
    ]
    return _model(
        nodes,
        [("data", [batch, 3, size, size])],
        [("vector", [batch, dimensions])],
        [*weights, numpy_helper.from_array(matrix, "matrix")],
    )


def identity(outputs=1):
    """A network that hands a picture on, as often as asked."""
    names = [f"y{n}" for n in range(outputs)]
    nodes = [helper.make_node("Identity", ["x"], [name]) for name in names]
    shape = [1, 3, "h", "w"]
    return _model(nodes, [("x", shape)], [(name, shape) for name in names], [])


def speaking(side=112, *, turned=False):
    """A network of LR-ASD's signature: a face speaks where its picture is bright, or is dark."""
    difference = ["middle", "bright"] if turned else ["bright", "middle"]
    nodes = [
        helper.make_node("ReduceMean", ["video"], ["bright"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["audio"], ["loud"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["loud", "nothing"], ["ignored"]),
        helper.make_node("Sub", difference, ["above"]),
        helper.make_node("Add", ["above", "ignored"], ["score"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("nothing", 0.0), ("middle", 100.0))
    ]
    inputs = [("audio", [1, "rows", 13]), ("video", [1, "pictures", side, side])]
    return _model(nodes, inputs, [("score", [1, "pictures"])], weights)


def _model(nodes, inputs, outputs, weights):
    def tensors(named):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in named]

    graph = helper.make_graph(nodes, "tiny", tensors(inputs), tensors(outputs), weights)
    opset = helper.make_opsetid("", 13)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
