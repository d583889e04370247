"""Write a waveform as 24-bit PCM .wav in one pass: any length, memory flat, header patched last."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from foleycli.output import atomic_output

Chunk = tuple[bytes, bytes]  # four-letter name, content

BITS = 24
RIFF_LIMIT = 0xFFFF_FFFF  # bytes a RIFF size can say; past it the file is RF64 (EBU Tech 3306)
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
# Speakers of WAVE_FORMAT_EXTENSIBLE for 3 to 8 channels, in ffmpeg's default order.
_CHANNEL_MASKS = {3: 0x7, 4: 0x107, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
# Speakers in the order of their bits, by FFmpeg's names.
_SPEAKERS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR")


def write_waveform(
    path: str | Path,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    channels: int = 1,
    *,
    overwrite: bool = False,
    chunks: Callable[[], list[Chunk]] = list,
    speakers: Sequence[str] = (),
    is_bw64: bool = False,
) -> str:
    """Stream blocks into a 24-bit .wav, RF64 where it passes 4 GiB.

    Values are rounded to the nearest step, without dither: the error lies 146 dB under full
    scale, below any converter's own noise, and digital silence stays silent.

    Args:
        blocks: float (samples,) or (samples, channels); values past [-1, 1] clamp.
        sample_rate: Hz.
        overwrite: replace a file that is there already.
        chunks: what else the header shall hold. Asked twice, before the first block and after
            the last, so it may tell what was heard; the sizes must stay.
        speakers: FFmpeg's names of them, a channel each; those usual for so many when empty.
        is_bw64: tracks that ``chna`` explains, no speakers; past 4 GiB it is BW64 (BS.2088).

    Returns:
        BLAKE2b of the 24-bit samples, in hexadecimal: equal sound, equal words.

    Raises:
        FoleyError: as `atomic_output`.
    """
    with atomic_output(path, overwrite=overwrite) as hidden, hidden.open("wb") as file:
        return stream_waveform(
            file, blocks, sample_rate, channels, chunks, speakers, is_bw64=is_bw64
        )


def stream_waveform(
    file: BinaryIO,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    channels: int,
    chunks: Callable[[], list[Chunk]] = list,
    speakers: Sequence[str] = (),
    *,
    is_bw64: bool = False,
) -> str:
    """As `write_waveform`, into an open file that can seek."""
    mask = None if is_bw64 else _mask(channels, speakers)
    reserved = _header(chunks(), 0, sample_rate, channels, mask)
    file.write(reserved)
    data_size, digest = 0, hashlib.blake2b(digest_size=16)
    for block in blocks:
        content = quantise(block, channels)
        digest.update(content)
        data_size += file.write(content)
    file.write(b"\0" * (data_size % 2))
    samples = data_size // (channels * BITS // 8)
    header = _header(chunks(), samples, sample_rate, channels, mask)
    if len(header) != len(reserved):
        raise ValueError("header chunks changed their size while the waveform was written")
    file.seek(0)
    file.write(header)
    return digest.hexdigest()


def quantise(block: np.ndarray, channels: int = 1) -> bytes:
    """Float values in [-1, 1] as interleaved little-endian 24-bit integers."""
    samples = np.asarray(block, dtype=np.float32)
    if samples.size % channels:
        raise ValueError(f"{samples.size} values do not fill {channels} channels")
    if not np.isfinite(samples).all():
        raise ValueError("waveform holds values that are not finite")
    steps = 2 ** (BITS - 1)
    integers = np.clip(np.rint(samples * np.float32(steps)), -steps, steps - 1).astype("<i4")
    return integers.reshape(-1, 1).view(np.uint8)[:, : BITS // 8].tobytes()


def _mask(channels: int, speakers: Sequence[str]) -> int:
    """The speakers as bits; 0 where channels do not stand in the order of those: nobody knows."""
    if not speakers:
        return _CHANNEL_MASKS.get(channels, 0)
    bits = [_SPEAKERS.index(name) for name in speakers if name in _SPEAKERS]
    known = len(bits) == channels and bits == sorted(set(bits))
    return sum(1 << bit for bit in bits) if known else 0


def _header(
    chunks: list[Chunk], samples: int, sample_rate: int, channels: int, mask: int | None
) -> bytes:
    """All that stands before the first sample; as long for RIFF as for RF64."""
    data_size = samples * channels * BITS // 8
    format_chunk = _chunk(b"fmt ", _format(sample_rate, channels, mask))
    # bext before fmt, as EBU Tech 3285 lists them; what else there is comes after both
    first = [_chunk(name, content) for name, content in chunks if name == b"bext"]
    rest = [_chunk(name, content) for name, content in chunks if name != b"bext"]
    middle = b"".join([*first, format_chunk, *rest])
    riff_size = 4 + 36 + len(middle) + 8 + data_size + data_size % 2
    if riff_size <= RIFF_LIMIT:
        start = b"RIFF" + struct.pack("<I", riff_size) + b"WAVE" + _chunk(b"JUNK", bytes(28))
        return start + middle + b"data" + struct.pack("<I", data_size)
    sizes = struct.pack("<QQQI", riff_size, data_size, samples, 0)
    unsaid = struct.pack("<I", 0xFFFF_FFFF)
    kind = b"RF64" if mask is not None else b"BW64"
    return kind + unsaid + b"WAVE" + _chunk(b"ds64", sizes) + middle + b"data" + unsaid


def _format(sample_rate: int, channels: int, mask: int | None) -> bytes:
    frame_size = channels * BITS // 8
    extensible = channels > 2 and mask is not None
    tag = 0xFFFE if extensible else 1
    plain = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame_size,
                        frame_size, BITS)  # fmt: skip
    if not extensible:
        return plain
    return plain + struct.pack("<HHI", 22, BITS, mask) + _PCM_GUID


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
