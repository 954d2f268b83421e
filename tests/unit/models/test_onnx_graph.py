from typing import Any

import numpy as np
import onnxruntime
import pytest

from greffier_models.speakers.onnx_graph import OnnxGraph

pytestmark = pytest.mark.unit


def test_a_graph_computes_what_it_says() -> None:
    graph = OnnxGraph("test")
    weights = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    x = graph.node("Conv", "in", graph.constant(weights), strides=[2], pads=[1, 1])
    x = graph.node("LeakyRelu", x, alpha=-2.0)
    x = graph.node("ReduceMean", x, axes=[2], keepdims=0)
    shape = graph.constant(np.array([-1], dtype=np.int64))
    out = graph.node("Reshape", x, shape)
    model = graph.model(takes=("in", ["batch", 3, "time"]), gives=(out, ["all"]))
    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).standard_normal((2, 3, 301)).astype(np.float32)
    result = session.run(None, {"in": values})[0]
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1)))[..., ::2]
    product = np.einsum("oc,bct->bot", weights[..., 0], padded)
    expected = np.where(product < 0, -2.0 * product, product).mean(axis=2).reshape(-1)
    assert np.allclose(result, expected, atol=1e-4)
