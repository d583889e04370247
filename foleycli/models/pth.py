"""Reads the tensors that torch saved before version 1.6, without torch.

Such a file is a row of pickles (magic number, protocol, sizes of numbers; the tensors, which name
storages; the storages' keys) and then each storage, its length before it (torch's
serialization.py, `_legacy_save`). Nothing in it is run: of classes only those of tensors are known.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"FloatStorage": np.float32, "LongStorage": np.int64, "HalfStorage": np.float16}


def read_tensors(path: Path) -> dict[str, NDArray]:
    """The tensors of a state dict by name.

    Raises:
        pickle.UnpicklingError, EOFError, OSError: it is no such file, or holds something else.
    """
    with path.open("rb") as file:
        if _Reader(file).load() != MAGIC:
            raise pickle.UnpicklingError(f"{path.name} was not saved by an old torch")
        for _ in range(2):
            _Reader(file).load()
        reader = _Reader(file)
        tensors: dict[str, _Tensor] = reader.load()
        for key in _Reader(file).load():
            count = int(np.frombuffer(file.read(8), "<i8")[0])
            storage = reader.storages[key]
            storage.append(np.frombuffer(file.read(count * storage[0].itemsize), storage[0]))
    return {name: tensor.array() for name, tensor in tensors.items()}


class _Tensor:
    """A view of a storage, whose numbers come later in the file."""

    def __init__(self, storage: list, offset: int, size: tuple, stride: tuple, *_: Any) -> None:
        self._storage, self._offset, self._size, self._stride = storage, offset, size, stride

    def array(self) -> NDArray:
        kind, values = self._storage
        strides = tuple(step * kind.itemsize for step in self._stride)
        return np.lib.stride_tricks.as_strided(values[self._offset :], self._size, strides)


class _Reader(pickle.Unpickler):
    """Knows tensors, their storages and dictionaries, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, list] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in STORAGES:
            return np.dtype(STORAGES[name])
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, pid: Any) -> list:
        """A storage: its type, and then its numbers."""
        _, kind, key, *_ = pid
        return self.storages.setdefault(key, [kind])
