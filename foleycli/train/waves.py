"""A folder of sounds as waveforms: what vocoders and waveform autoencoders learn from."""

import json
import zlib
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from foleycli.errors import MediaError
from foleycli.library.recording import read_sound
from foleycli.output import atomic_output, make_folder
from foleycli.train.data import FILE_RATE, content_key, read_table, warn_of_unused

LONGEST = 8  # seconds of a recording that are kept
QUIET = 1e-3  # peak under which a recording is taken for silence
LOUDEST = 0.9  # peak of every recording in the cache


class WaveSet:
    """Waveforms of a folder of sounds at one sample rate, from a cache that is made once.

    Sounds that no training may hear (crc32 of ``file`` a multiple of ten) are `held_out`.

    Raises:
        MediaError: the table names no sound that can be used.
    """

    def __init__(self, folder: Path, table: Path, cache: Path, sample_rate: int) -> None:
        files = [row["file"] for row in read_table(folder, table)]
        self.samples, spans = _open_cache(folder, files, cache, sample_rate)
        pairs = [(file, span) for file, span in zip(files, spans, strict=True) if span]
        self.heard = [span for file, span in pairs if zlib.crc32(file.encode()) % 10]
        self.held_out = [span for file, span in pairs if not zlib.crc32(file.encode()) % 10]
        if not self.heard:
            raise MediaError(
                f"{table} leaves no sound to learn from.", "Give more than a handful of sounds."
            )

    def draw(self, count: int, samples: int, random: np.random.Generator) -> torch.Tensor:
        """(count, samples): pieces of recordings at levels up to 30 dB apart, each heard in it."""
        spans = [self.heard[i] for i in random.integers(0, len(self.heard), count)]
        gains = 10 ** (-30 * random.random(count) ** 2 / 20)
        pieces = [self._piece(span, samples, random) for span in spans]
        return torch.from_numpy(np.stack(pieces) * gains[:, None]).float()

    def _piece(
        self, span: tuple[int, int], samples: int, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """A piece of one recording; a short one somewhere in silence."""
        first, last = span
        if last - first > samples:
            first += int(random.integers(0, last - first - samples))
            return self.samples[first : first + samples].astype(np.float32) / np.float32(32767)
        piece = np.zeros(samples, np.float32)
        start = int(random.integers(0, samples - (last - first) + 1))
        piece[start : start + last - first] = self.samples[first:last] / np.float32(32767)
        return piece

    def held_out_pieces(self, count: int, samples: int) -> torch.Tensor:
        """(up to count, samples): the beginnings of held-out sounds, always the same."""
        pieces = np.zeros((min(count, len(self.held_out)), samples), np.float32)
        for piece, (first, last) in zip(pieces, self.held_out, strict=False):
            kept = self.samples[first : min(last, first + samples)]
            piece[: len(kept)] = kept / np.float32(32767)
        return torch.from_numpy(pieces)


def _open_cache(
    folder: Path, files: list[str], cache: Path, sample_rate: int
) -> tuple[NDArray[np.int16], list[tuple[int, int] | None]]:
    """All samples end to end, and where each file's are; None where it is silent or unreadable."""
    name = content_key(folder, files, sample_rate, LONGEST, LOUDEST)
    index, data = cache / f"waves-{name}.json", cache / f"waves-{name}.raw"
    if not index.exists():
        make_folder(cache)
        with atomic_output(data, overwrite=True) as beside:
            filled = _fill_cache(folder, files, beside, sample_rate)
        with atomic_output(index, overwrite=True) as beside:
            beside.write_text(json.dumps(filled))
    spans = [tuple(span) if span else None for span in json.loads(index.read_text())]
    warn_of_unused([file for file, span in zip(files, spans, strict=True) if not span], len(files))
    if not any(spans):
        raise MediaError(f"No sound of {folder} can be used.", "Give sounds that can be heard.")
    return np.memmap(data, np.int16, "r"), spans


def _fill_cache(
    folder: Path, files: list[str], data: Path, sample_rate: int
) -> list[tuple[int, int] | None]:
    spans: list[tuple[int, int] | None] = []
    first = 0
    with data.open("wb") as out:
        for file in files:
            waveform = _read(folder / file, sample_rate)
            if waveform is None:
                spans.append(None)
                continue
            out.write(waveform.tobytes())
            spans.append((first, first + len(waveform)))
            first += len(waveform)
    return spans


def _read(path: Path, sample_rate: int) -> NDArray[np.int16] | None:
    try:
        samples = read_sound(path, samples=LONGEST * FILE_RATE)
    except MediaError:
        return None
    waveform = soxr.resample(samples, FILE_RATE, sample_rate)
    peak = float(np.abs(waveform).max(initial=0))
    if peak < QUIET:
        return None
    return (waveform * (LOUDEST / peak) * 32767).astype(np.int16)
