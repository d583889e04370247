"""Writes small ONNX files, as onnxruntime reads them, with nothing but numpy.

Only what our own networks need of the format (github.com/onnx/onnx, onnx.proto): nodes with whole
numbers and lists of them as attributes, constants, one opset. The messages are protocol buffers:
fields, each with a number and a wire type.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

OPSET, IR_VERSION = 13, 8
FLOAT, UINT8, INT64, FLOAT16 = 1, 2, 7, 10  # onnx.TensorProto.DataType
TYPES = {"float32": FLOAT, "uint8": UINT8, "int64": INT64, "float16": FLOAT16}
Attribute = int | float | str | Sequence[int]


class Graph:
    """A network that grows node by node.

    >>> graph = Graph()
    >>> pixels = graph.input("pixels", np.float32, ("n", 3))
    >>> graph.output(graph.add("Relu", pixels), np.float32, ("n", 3))
    >>> open_session(graph.to_bytes())
    """

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> str:
        """Declare an input; words in the shape stand for any size."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, value: str, dtype: type, shape: Sequence[int | str]) -> None:
        """Make a value an output."""
        self._outputs.append(_value(value, dtype, shape))

    def constant(self, array: NDArray) -> str:
        """A value that stays what it is; weights of half precision are computed with in full."""
        array = np.asarray(array)
        name = f"c{len(self._constants)}"
        content = np.ascontiguousarray(array).tobytes()
        dims = b"".join(_number(1, size) for size in array.shape)
        kind = _number(2, TYPES[array.dtype.name])
        self._constants.append(dims + kind + _bytes(8, name.encode()) + _bytes(9, content))
        if array.dtype == np.float16:
            return self.add("Cast", name, to=FLOAT)
        return name

    def add(self, kind: str, *inputs: str, into: str | None = None, **attributes: Attribute) -> str:
        """Add a node; the name of its output, ``into`` if one is wanted."""
        name = into or f"v{len(self._nodes)}"
        node = b"".join(_bytes(1, value.encode()) for value in inputs)
        node += _bytes(2, name.encode()) + _bytes(4, kind.encode())
        for key, value in attributes.items():
            node += _bytes(5, _bytes(1, key.encode()) + _attribute(value))
        self._nodes.append(node)
        return name

    def to_bytes(self) -> bytes:
        """The file."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _bytes(2, b"foleycli")
        graph += b"".join(_bytes(5, constant) for constant in self._constants)
        graph += b"".join(_bytes(11, value) for value in self._inputs)
        graph += b"".join(_bytes(12, value) for value in self._outputs)
        return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))


def _attribute(value: Attribute) -> bytes:
    """Value and type (onnx.AttributeProto.AttributeType) of an attribute."""
    if isinstance(value, int):
        return _number(3, value) + _number(20, 2)
    if isinstance(value, float):
        return b"\x15" + np.float32(value).tobytes() + _number(20, 1)
    if isinstance(value, str):
        return _bytes(4, value.encode()) + _number(20, 3)
    return b"".join(_number(8, each) for each in value) + _number(20, 7)


def _value(name: str, dtype: type, shape: Iterable[int | str]) -> bytes:
    dims = b"".join(
        _bytes(1, _bytes(2, size.encode()) if isinstance(size, str) else _number(1, size))
        for size in shape
    )
    kind = _number(1, TYPES[np.dtype(dtype).name]) + _bytes(2, dims)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, kind))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
