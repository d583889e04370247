"""A model on disk: a folder with its config, its weights as safetensors, its card and their hashes.

``config.json`` names the ``family`` (which code sounds it) and what that code needs to build the
modules; ``SHA256SUMS`` lists every file and can be checked with ``sha256sum -c`` too. Weights are
one file of tensors named ``part.name``, or, of the family ``small``, a file a part.
"""

import hashlib
import json
import mmap
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foleycli.documents import parse_json
from foleycli.errors import FoleyError, ModelError, OutputExistsError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, CARD, SUMS = "config.json", "model.safetensors", "README.md", "SHA256SUMS"
FILES = (CONFIG, WEIGHTS, CARD, SUMS)
PUBLISHED = {".json", ".safetensors", ".md", ".csv", ".txt"}  # what `seal` lists
SMALL = "small"  # the family of a config that names none
FORMAT = 1  # of the folder's layout; a newer one is refused with a remedy
MADE_AGAIN = "Pull or convert it again."
POINTER = b"version https://git-lfs.github.com/spec/"
# what reading a file that is cut off or another one raises, besides safetensors' own error
BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle; its weights are read when they are asked for."""

    folder: Path
    config: dict[str, Any]
    sums: dict[str, str]  # file name -> sha256

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read config and hashes.

        Raises:
            ModelError: the folder is no bundle, or not whole.
        """
        for name in (CONFIG, SUMS):
            if not (folder / name).is_file():
                raise ModelError(f"{folder} is not a model: it has no {name}.", MADE_AGAIN)
        config = read_config(folder)
        try:
            sums = read_sums(folder / SUMS)
            family, layout = str(config.get("family", SMALL)), int(config.get("format", FORMAT))
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"{folder / SUMS} cannot be read: {error}.", MADE_AGAIN) from error
        if layout > FORMAT:
            raise ModelError(f"{folder} ({family}) is of a newer format.", "Update foleycli.")
        weights = [name for name in sums if name.endswith(".safetensors")] or [WEIGHTS]
        for name in weights:
            if not (folder / name).is_file():
                raise ModelError(f"{folder} is not a model: it has no {name}.", MADE_AGAIN)
        return cls(folder, config, sums)

    @property
    def family(self) -> str:
        """Which code sounds it: ``diff-foley`` or ``small``."""
        return str(self.config.get("family", SMALL))

    @property
    def fingerprint(self) -> str:
        """sha256 of the weights: changes when they do."""
        if WEIGHTS in self.sums:
            return self.sums[WEIGHTS]
        weights = sorted(sum for name, sum in self.sums.items() if name.endswith(".safetensors"))
        return hashlib.sha256("".join(weights).encode()).hexdigest()

    def tensors(self, part: str, without: tuple[str, ...] = ()) -> "dict[str, Tensor]":
        """The tensors of one part, named without its prefix; empty when it has no such part.

        Read, not mapped: mapped pages would stay beside weights that are laid out anew.

        Args:
            without: beginnings of names that are left in the file.

        Raises:
            ModelError: the file is broken.
        """
        try:
            return _read_tensors(self.folder / WEIGHTS, part + ".", without)
        except BROKEN as error:
            raise broken(self.folder / WEIGHTS, error) from error

    def mapped(self, part: str) -> "dict[str, Tensor]":
        """The same, mapped: nothing is read before it is used, and processes share one copy.

        For networks of gigabytes that run as they are stored.

        Raises:
            ModelError: the file is broken.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / WEIGHTS, "pt") as file:
                prefix = part + "."
                names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
                return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
        except (*BROKEN, SafetensorError) as error:
            raise broken(self.folder / WEIGHTS, error) from error

    def verify(self) -> None:
        """Hash every file again.

        Raises:
            ModelError: a file is missing or differs; each is named.
        """
        wrong = []
        for name, pinned in self.sums.items():
            path = self.folder / name
            if not path.is_file():
                wrong.append(f"{name} is missing")
            elif (found := sha256_of(path)) != pinned:
                wrong.append(f"{name} has sha256 {found[:12]}…, not {pinned[:12]}…")
        if wrong:
            raise ModelError(f"{self.folder} is damaged: {'; '.join(wrong)}.", MADE_AGAIN)


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder.

    Raises:
        ModelError: it is not there, or no such document.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"{folder} is not a model: it has no {CONFIG}.", MADE_AGAIN)
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise broken(path, error) from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is no description of a model.", MADE_AGAIN)
    return config


def broken(path: Path, error: Exception) -> ModelError:
    """That a file of a bundle cannot be used: a copy that was cut off, or a pointer that git-lfs
    left in its place."""
    with suppress(OSError):
        with path.open("rb") as file:
            start = file.read(len(POINTER))
        if start == POINTER:
            return ModelError(
                f"{path} is a git-lfs pointer, not the file itself.",
                "Fetch it with `git lfs pull`, or pull the model again.",
            )
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ModelError(f"{path} is damaged: {reason}.", MADE_AGAIN)


def _read_tensors(path: Path, prefix: str, without: tuple[str, ...]) -> "dict[str, Tensor]":
    """Tensors of a safetensors file: a length, a JSON header with places, then the data."""
    import torch

    dtypes = {
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I64": torch.int64,
    }
    tensors = {}
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            raise ValueError("its header is cut short")
        header = parse_json(file.read(length).decode())
        for name, place in header.items():
            if not name.startswith(prefix) or name.removeprefix(prefix).startswith(without):
                continue
            begin, end = place["data_offsets"]
            if not 0 <= begin <= end <= size:
                raise ValueError(f"{name} lies outside of the file")
            if end == begin:
                empty = torch.empty(place["shape"], dtype=dtypes[place["dtype"]])
                tensors[name.removeprefix(prefix)] = empty
                continue
            # Memory of its own, not the heap's: it goes back as soon as the tensor is let go.
            data = mmap.mmap(-1, max(1, end - begin))
            file.seek(8 + length + begin)
            if file.readinto(data) < end - begin:
                raise ValueError(f"{name} is cut short")
            dtype = dtypes[place["dtype"]]
            tensor = torch.frombuffer(data, dtype=dtype, count=(end - begin) // dtype.itemsize)
            tensors[name.removeprefix(prefix)] = tensor.reshape(place["shape"])
    return tensors


def write_bundle(
    folder: Path,
    config: Mapping[str, Any],
    tensors: "Mapping[str, Tensor]",
    card: str,
    attached: Sequence[Path] = (),
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle, whole or not at all.

    Args:
        config: must name the ``family``; ``format`` is added.
        tensors: named ``part.name``.
        card: the model card, Markdown.
        attached: files to copy into it.

    Raises:
        OutputExistsError: the folder is there and ``overwrite`` is off.
        FoleyError: it cannot be written.
    """
    if folder.exists() and not overwrite:
        raise OutputExistsError(f"{folder} exists.", "Choose another folder, or --overwrite.")
    beside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        beside.mkdir(parents=True)
        for path in attached:
            shutil.copyfile(path, beside / path.name)
        _write_files(beside, {**config, "format": FORMAT}, tensors, card)
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        raise FoleyError(
            f"Could not write {folder}: {error.strerror or error}.",
            "Free some space, or choose another folder.",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Bundle.open(folder)


def _write_files(
    folder: Path, config: Mapping[str, Any], tensors: "Mapping[str, Tensor]", card: str
) -> None:
    from safetensors.torch import save_file

    save_file(dict(tensors), folder / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps(config, indent=1, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    seal(folder)


def seal(folder: Path) -> None:
    """List the hashes of a folder's files, so that it can be opened as a bundle and published."""
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix in PUBLISHED and not path.name.startswith(".")
    )
    sums = [f"{sha256_of(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8")


def read_sums(path: Path) -> dict[str, str]:
    """``<sha256>  <name>`` lines -> name: sha256.

    Raises:
        ValueError: a line is none, or names a file elsewhere: the list may come from anyone.
    """
    text = path.read_text(encoding="utf-8")
    pairs = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    sums = {name.lstrip("*"): found for found, name in pairs}
    if wrong := [name for name in sums if not re.fullmatch(r"\w[\w.-]*", name)]:
        raise ValueError(f"{wrong[0]} is no file of this folder")
    return sums


def sha256_of(path: Path, progress: Callable[[int], None] = lambda count: None) -> str:
    """Hexadecimal sha256 of a file; ``progress`` is told the bytes of each piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
            progress(len(piece))
    return digest.hexdigest()
