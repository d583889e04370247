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

from foleycli.clip.media import decoded, open_media
from foleycli.clip.probe import Clip
from foleycli.errors import FoleyError

COVER = Disposition.attached_pic | Disposition.timed_thumbnails
# Codecs whose packets a container may join, split or trim though the pictures stay: VP9's hidden
# frames, AV1's delimiters, MPEG-4's packed B-frames, Theora's empty repeats.
REPACKED = frozenset({"vp9", "av1", "mpeg4", "theora"})
TOLERANCE = Fraction(1, 1000)  # seconds; Matroska's clock ticks in milliseconds


@dataclass(frozen=True, slots=True)
class Proof:
    """What `verify_picture` found the same."""

    packets: int  # of all video streams; pictures where `decoded`
    digest: str  # BLAKE2b of their bytes, in hexadecimal
    lost: tuple[str, ...]  # streams of the clip that the output has no place for
    decoded: bool = False  # a container packed them anew, so decoded pictures were compared


def verify_picture(clip: Clip, out: str | Path) -> Proof:
    """Compare every packet of every picture stream, bytes and time, with the clip's.

    Where one file frames H.264 or HEVC differently from the other (a transport stream and an
    .mp4, say), or packs a codec of `REPACKED` anew, packets cannot be equal and the decoded
    pictures are compared instead, and when they are shown.

    Raises:
        FoleyError: a picture differs or is missing.
    """
    digest = hashlib.blake2b(digest_size=16)
    with open_media(clip.path) as source, open_media(Path(out)) as result:
        before, after = _pictures(source), _pictures(result)
        lost = tuple(_lost(source, result))
    if len(after) < len(before):
        raise _differs(out, f"{len(after)} of {len(before)} picture streams are there")
    compared = [
        _compare(clip.path, one, Path(out), other, digest)
        for one, other in zip(before, after, strict=False)
    ]
    packets, by_picture = sum(count for count, _ in compared), any(was for _, was in compared)
    return Proof(packets, digest.hexdigest(), lost, by_picture)


def compare_times(clip: Clip, out: str | Path) -> Iterator[str]:
    """Count the packets of every picture stream, and see that each is shown when it was.

    Much quicker than `verify_picture`, for no byte of them is looked at.

    Yields:
        what differs, a line each.

    Raises:
        MediaError: one of the files cannot be opened.
    """
    with open_media(clip.path) as source, open_media(Path(out)) as result:
        pairs = list(zip(_pictures(source), _pictures(result), strict=False))
    for one, other in pairs:
        yield from _compare_times(clip.path, one, Path(out), other)


def _compare_times(path: Path, index: int, out: Path, out_index: int) -> Iterator[str]:
    counts, late, most = [0, 0], 0, Fraction(0)
    shift: Fraction | None = None
    with open_media(path) as source, open_media(out) as result:
        one, other = source.streams[index], result.streams[out_index]
        for pair in zip_longest(_packets(source, one), _packets(result, other)):
            before, after = pair
            counts[0] += before is not None
            counts[1] += after is not None
            moved = _moved(before, after) if before and after else None
            shift = moved if shift is None else shift
            if moved is not None and shift is not None and abs(moved - shift) > TOLERANCE:
                late, most = late + 1, max(most, abs(moved - shift))
        repacked = _codec(one) in REPACKED or not _framed_alike(one, other)
    if counts[0] != counts[1] and repacked:  # hidden ones may have been joined to others
        counts, late = [_count_pictures(path, index), _count_pictures(out, out_index)], 0
    if counts[0] != counts[1]:
        yield f"it has {counts[1]} pictures, not {counts[0]} as {path.name}"
    elif late:
        yield f"{late} pictures are shown at another time, by up to {float(most * 1000):.0f} ms"


def _count_pictures(path: Path, index: int) -> int:
    with open_media(path) as file:
        return sum(1 for _ in decoded(file, file.streams.video[_number(file, index)]))


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


def _compare(path: Path, index: int, out: Path, out_index: int, digest: Any) -> tuple[int, bool]:
    """Packets compared; their bytes go into the digest. Whether pictures were, in their place."""
    shift: Fraction | None = None
    count = 0
    with open_media(path) as source, open_media(out) as result:
        one, other = source.streams[index], result.streams[out_index]
        repacked = _codec(one) in REPACKED or not _framed_alike(one, other)
        for before, after in zip_longest(_packets(source, one), _packets(result, other)):
            if before is None or after is None or bytes(before) != bytes(after):
                if repacked:
                    return _compare_decoded(path, index, out, out_index, digest), True
                raise _differs(out, f"packet {count} of stream {index} is not the clip's")
            digest.update(before)
            moved = _moved(before, after)
            shift = moved if shift is None else shift
            if moved is not None and shift is not None and abs(moved - shift) > TOLERANCE:
                raise _differs(out, f"packet {count} of stream {index} is shown at another time")
            count += 1
    return count, False


def _packets(file, stream) -> Iterator[av.Packet]:
    """Packets that hold something, as far as the file can be read."""
    try:
        yield from (packet for packet in file.demux(stream) if packet.size)
    except FFmpegError:
        return


def _moved(before: Any, after: Any) -> Fraction | None:
    if before.pts is None or after.pts is None:
        return None
    return after.pts * Fraction(after.time_base) - before.pts * Fraction(before.time_base)


def _framed_alike(one, other) -> bool:
    """Whether NAL units are marked the same way: by their length, or by start codes."""
    return _counts_lengths(one) == _counts_lengths(other)


def _counts_lengths(stream) -> bool:
    return (stream.codec_context.extradata or b"")[:1] == b"\x01"


def _codec(stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else ""


def _number(file, index: int) -> int:
    """A stream's place among the videos."""
    return [stream.index for stream in file.streams.video].index(index)


def _compare_decoded(path: Path, index: int, out: Path, out_index: int, digest: Any) -> int:
    count, shift = 0, None
    with open_media(path) as source, open_media(out) as result:
        one = source.streams.video[_number(source, index)]
        other = result.streams.video[_number(result, out_index)]
        for before, after in zip_longest(decoded(source, one), decoded(result, other)):
            if before is None or after is None or _picture(before) != _picture(after):
                raise _differs(out, f"picture {count} of stream {index} is not the clip's")
            digest.update(_picture(before))
            moved = _moved(before, after)
            shift = moved if shift is None else shift
            if moved is not None and shift is not None and abs(moved - shift) > TOLERANCE:
                raise _differs(out, f"picture {count} of stream {index} is shown at another time")
            count += 1
    return count


def _picture(frame: av.VideoFrame) -> bytes:
    """What a decoded picture holds, in its own depth where numpy has one for it."""
    try:
        return frame.to_ndarray().tobytes()
    except ValueError:
        return frame.to_ndarray(format="rgb48le").tobytes()


def _differs(out: str | Path, how: str) -> FoleyError:
    return FoleyError(
        f"{out} does not show the clip's picture untouched: {how}.",
        "Name the output .mov or .mkv with -o; if it happens there too, please report it.",
    )
