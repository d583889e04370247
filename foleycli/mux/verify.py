"""Proof that a picture went through untouched: its packets in and out, compared as they stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from foleycli.clip.media import open_media
from foleycli.clip.probe import Clip
from foleycli.errors import FoleyError

COVER = Disposition.attached_pic | Disposition.timed_thumbnails
TOLERANCE = Fraction(1, 1000)  # seconds; Matroska's clock ticks in milliseconds


@dataclass(frozen=True, slots=True)
class Proof:
    """What `verify_picture` found the same."""

    packets: int  # of all video streams
    digest: str  # BLAKE2b of their bytes, in hexadecimal
    lost: tuple[str, ...]  # streams of the clip that the output has no place for


def verify_picture(clip: Clip, out: str | Path) -> Proof:
    """Compare every packet of every picture stream, bytes and time, with the clip's.

    Where one file frames H.264 or HEVC differently from the other (a transport stream and an
    .mp4, say), packets cannot be equal and the decoded pictures are compared instead.

    Raises:
        FoleyError: a picture differs or is missing.
    """
    digest = hashlib.blake2b(digest_size=16)
    with open_media(clip.path) as source, open_media(Path(out)) as result:
        before, after = _pictures(source), _pictures(result)
        lost = tuple(_lost(source, result))
    if len(after) < len(before):
        raise _differs(out, f"{len(after)} of {len(before)} picture streams are there")
    packets = 0
    for one, other in zip(before, after, strict=False):
        packets += _compare(clip.path, one, Path(out), other, digest)
    return Proof(packets, digest.hexdigest(), lost)


def _pictures(file) -> list[int]:
    """Indices of the moving pictures; cover art is none."""
    return [s.index for s in file.streams.video if not s.disposition & COVER]


def _lost(source, result) -> Iterator[str]:
    for kind in ("video", "audio", "subtitles", "attachments"):
        missing = len(getattr(source.streams, kind)) - len(getattr(result.streams, kind))
        if missing > 0:
            yield f"{missing} {kind}"
    if len(source.chapters()) > len(result.chapters()):
        yield "chapters"


def _compare(path: Path, index: int, out: Path, out_index: int, digest: Any) -> int:
    """Packets compared; their bytes go into the digest."""
    shift: Fraction | None = None
    count = 0
    with open_media(path) as source, open_media(out) as result:
        one, other = source.streams[index], result.streams[out_index]
        for before, after in zip_longest(_packets(source, one), _packets(result, other)):
            if before is None or after is None or bytes(before) != bytes(after):
                if not _framed_alike(one, other):
                    return _compare_decoded(path, index, out, out_index, digest)
                raise _differs(out, f"packet {count} of stream {index} is not the clip's")
            digest.update(before)
            moved = _moved(before, after)
            shift = moved if shift is None else shift
            if moved is not None and shift is not None and abs(moved - shift) > TOLERANCE:
                raise _differs(out, f"packet {count} of stream {index} is shown at another time")
            count += 1
    return count


def _packets(file, stream) -> Iterator[av.Packet]:
    """Packets that hold something, as far as the file can be read."""
    try:
        yield from (packet for packet in file.demux(stream) if packet.size)
    except FFmpegError:
        return


def _moved(before: av.Packet, after: av.Packet) -> Fraction | None:
    if before.pts is None or after.pts is None:
        return None
    return after.pts * Fraction(after.time_base) - before.pts * Fraction(before.time_base)


def _framed_alike(one, other) -> bool:
    """Whether NAL units are marked the same way: by their length, or by start codes."""
    return _counts_lengths(one) == _counts_lengths(other)


def _counts_lengths(stream) -> bool:
    return (stream.codec_context.extradata or b"")[:1] == b"\x01"


def _compare_decoded(path: Path, index: int, out: Path, out_index: int, digest: Any) -> int:
    count = 0
    with open_media(path) as source, open_media(out) as result:
        frames = zip_longest(_frames(source, index), _frames(result, out_index))
        for before, after in frames:
            if before is None or after is None or before != after:
                raise _differs(out, f"frame {count} of stream {index} is not the clip's")
            digest.update(before)
            count += 1
    return count


def _frames(file, index: int) -> Iterator[bytes]:
    try:
        for frame in file.decode(file.streams[index]):
            yield frame.to_ndarray(format="rgb24").tobytes()
    except FFmpegError:
        return


def _differs(out: str | Path, how: str) -> FoleyError:
    return FoleyError(
        f"{out} does not show the clip's picture untouched: {how}.",
        "Name the output .mov or .mkv with -o; if it happens there too, please report it.",
    )
