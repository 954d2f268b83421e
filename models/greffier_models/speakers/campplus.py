"""CAM++ (https://arxiv.org/abs/2303.00332), a small and quick model of voices.

The published PyTorch weights are read, laid out as an ONNX graph and run by onnxruntime. Layers are
named as in the authors' code (3D-Speaker, Apache-2.0).
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greffier_models.errors import EngineError, WeightsCorrupt, WeightsMissing
from greffier_models.speakers.checkpoint import read_checkpoint
from greffier_models.speakers.fbank import BANDS, log_mel
from greffier_models.speakers.onnx_graph import OnnxGraph
from greffier_models.types import SAMPLES_PER_MS, EngineIdentity, Pcm

__all__ = ["CampPlusEmbedder", "campplus_model", "load_campplus"]

_SIZE = 192
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""
_LONGEST_MS = 2_000
"""The model pools its context over 2 s; within that, the pool is the mean of the window."""
_SHORTEST_MS = 100
_EPSILON = 1e-5
_BATCH = 8

Tensors = Mapping[str, NDArray[np.float32]]


class CampPlusEmbedder:
    """Windows of speech to vectors of unit length whose dot product tells voices apart.

    Args:
        session: an onnxruntime session over `campplus_model`.
        identity: what is written into events.
    """

    def __init__(self, session: Any, identity: EngineIdentity) -> None:
        self._session = session
        self._identity = identity

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._identity

    def embed(self, windows: Sequence[Pcm]) -> NDArray[np.float32]:
        """Return one row of 192 numbers for each window; blocks about 20 ms of a core each.

        Args:
            windows: 100 ms to 2 s of speech each, all of one length.

        Raises:
            EngineError: a window is too short or too long, or the model could not be run.
        """
        if not windows:
            return np.zeros((0, _SIZE), dtype=np.float32)
        lengths = {len(window) // SAMPLES_PER_MS for window in windows}
        if len(lengths) > 1 or not _SHORTEST_MS <= min(lengths) <= _LONGEST_MS:
            raise EngineError("Windows of a voice must have one length between 0.1 and 2 s.")
        rows: list[NDArray[np.float32]] = []
        for first in range(0, len(windows), _BATCH):
            samples = np.stack(windows[first : first + _BATCH]).astype(np.float32) / 32768.0
            try:
                (output,) = self._session.run(None, {"features": log_mel(samples)})
            except Exception as error:
                raise EngineError("The model of voices could not be run.") from error
            rows.append(np.asarray(output, dtype=np.float32))
        vectors = np.concatenate(rows)
        norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        unit: NDArray[np.float32] = vectors / norms
        return unit


def load_campplus(path: Path, *, name: str, digest: str) -> CampPlusEmbedder:
    """Load the weights (blocking, about a second).

    Args:
        path: the published checkpoint.
        name: catalogue name.
        digest: SHA-256 of the file.

    Raises:
        WeightsMissing: onnxruntime is not installed.
        WeightsCorrupt: the file is not the model.
    """
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise WeightsMissing(
            'Telling voices apart needs the "speakers" extra: pip install "greffier[speakers]"'
        ) from error
    try:
        model = campplus_model(read_checkpoint(path))
    except (KeyError, ValueError) as error:
        raise WeightsCorrupt(f"{path.name} does not hold CAM++: greffier models verify") from error
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model, providers=["CPUExecutionProvider"], sess_options=options
    )
    identity = EngineIdentity(
        engine=f"onnxruntime/{onnxruntime.__version__}", model=name, digest=digest, settings="cpu"
    )
    return CampPlusEmbedder(session, identity)


def campplus_model(tensors: Tensors) -> bytes:
    """Lay the weights out as an ONNX model, ``features`` to ``embedding``.

    Raises:
        KeyError: a tensor is missing.
    """
    layers = _Layers(tensors)
    x = layers.residual_head("features")
    x = layers.convolve(x, "xvector.tdnn.linear", strides=[2], pads=[2, 2])
    x = layers.activate(x, "xvector.tdnn.nonlinear")
    for number, (count, dilation) in enumerate(_BLOCKS, 1):
        for layer in range(1, count + 1):
            prefix = f"xvector.block{number}.tdnnd{layer}"
            x = layers.graph.node("Concat", x, layers.dense(x, prefix, dilation), axis=1)
        x = layers.activate(x, f"xvector.transit{number}.nonlinear")
        x = layers.convolve(x, f"xvector.transit{number}.linear")
    x = layers.activate(x, "xvector.out_nonlinear")
    x = layers.statistics(x)
    x = layers.convolve(x, "xvector.dense.linear")
    x = layers.normalise(x, "xvector.dense.nonlinear.batchnorm")
    shape = layers.graph.constant(np.array([-1, _SIZE], dtype=np.int64))
    output = layers.graph.node("Reshape", x, shape)
    return layers.graph.model(
        takes=("features", ["windows", BANDS, "frames"]), gives=(output, ["windows", _SIZE])
    )


class _Layers:
    """Layers of the network over the weights; each method returns the name of its output."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self.graph = OnnxGraph("campplus")

    def convolve(self, x: str, name: str, **attributes: list[int]) -> str:
        inputs = [x, self.graph.constant(self._tensors[f"{name}.weight"])]
        bias = self._tensors.get(f"{name}.bias")
        if bias is not None:
            inputs.append(self.graph.constant(bias))
        return self.graph.node("Conv", *inputs, **attributes)

    def normalise(self, x: str, name: str) -> str:
        mean = self._tensors[f"{name}.running_mean"]
        ones, zeros = np.ones_like(mean), np.zeros_like(mean)
        scale = self._tensors.get(f"{name}.weight", ones)
        shift = self._tensors.get(f"{name}.bias", zeros)
        variance = self._tensors[f"{name}.running_var"]
        names = [self.graph.constant(tensor) for tensor in (scale, shift, mean, variance)]
        return self.graph.node("BatchNormalization", x, *names, epsilon=_EPSILON)

    def activate(self, x: str, name: str) -> str:
        return self.graph.node("Relu", self.normalise(x, f"{name}.batchnorm"))

    def residual_head(self, x: str) -> str:
        """The two-dimensional front: 80 bands are brought down to 10, of 32 channels each."""
        axis = self.graph.constant(np.array([1], dtype=np.int64))
        x = self.graph.node("Unsqueeze", x, axis)
        x = self._square(x, "head.conv1", "head.bn1", 1)
        for layer in ("head.layer1", "head.layer2"):
            x = self._residual(x, f"{layer}.0", 2)
            x = self._residual(x, f"{layer}.1", 1)
        x = self._square(x, "head.conv2", "head.bn2", 2)
        shape = self.graph.constant(np.array([0, 32 * BANDS // 8, -1], dtype=np.int64))
        return self.graph.node("Reshape", x, shape)

    def _square(self, x: str, name: str, norm: str, stride: int, *, active: bool = True) -> str:
        x = self.convolve(x, name, strides=[stride, 1], pads=[1, 1, 1, 1])
        x = self.normalise(x, norm)
        return self.graph.node("Relu", x) if active else x

    def _residual(self, x: str, name: str, stride: int) -> str:
        inner = self._square(x, f"{name}.conv1", f"{name}.bn1", stride)
        inner = self._square(inner, f"{name}.conv2", f"{name}.bn2", 1, active=False)
        if stride > 1:
            x = self.convolve(x, f"{name}.shortcut.0", strides=[stride, 1])
            x = self.normalise(x, f"{name}.shortcut.1")
        return self.graph.node("Relu", self.graph.node("Add", inner, x))

    def dense(self, x: str, name: str, dilation: int) -> str:
        """A layer of a dense block: its output is masked by the context of the window."""
        x = self.convolve(self.activate(x, f"{name}.nonlinear1"), f"{name}.linear1")
        x = self.activate(x, f"{name}.nonlinear2")
        local = self.convolve(
            x,
            f"{name}.cam_layer.linear_local",
            pads=[dilation, dilation],
            dilations=[dilation],
        )
        mean = self.graph.node("ReduceMean", x, axes=[2], keepdims=1)
        context = self.graph.node("Add", mean, mean)  # over the window, and over its one stretch
        context = self.convolve(context, f"{name}.cam_layer.linear1")
        context = self.graph.node("Relu", context)
        context = self.convolve(context, f"{name}.cam_layer.linear2")
        return self.graph.node("Mul", local, self.graph.node("Sigmoid", context))

    def statistics(self, x: str) -> str:
        """Mean and standard deviation (with Bessel's correction) over time."""
        mean = self.graph.node("ReduceMean", x, axes=[2], keepdims=1)
        centred = self.graph.node("Sub", x, mean)
        square = self.graph.node("Mul", centred, centred)
        summed = self.graph.node("ReduceSum", square, self._axis(2), keepdims=1)
        ones = self.graph.node("Sub", x, x)
        one = self.graph.constant(np.array([1.0], dtype=np.float32))
        count = self.graph.node("ReduceSum", self.graph.node("Add", ones, one), self._axis(2))
        rest = self.graph.node("Sub", count, one)
        deviation = self.graph.node("Sqrt", self.graph.node("Div", summed, rest))
        return self.graph.node("Concat", mean, deviation, axis=1)

    def _axis(self, axis: int) -> str:
        return self.graph.constant(np.array([axis], dtype=np.int64))
