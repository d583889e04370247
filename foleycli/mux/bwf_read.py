"""What a broadcast wave says of itself, read back: bext, and the timecode rate of iXML."""

import re
import struct
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from html import unescape
from pathlib import Path

from foleycli.mux.bwf import Broadcast

_LARGEST = 1 << 20  # bytes of a chunk that are read


def read_broadcast(wav: Path) -> Broadcast | None:
    """Read a broadcast wave's own words; None for another file, or one that cannot be read."""
    try:
        chunks = dict(_chunks(wav))
    except OSError:
        return None
    bext, about = chunks.get(b"bext", b""), chunks.get(b"iXML", b"").decode("utf-8", "replace")
    if len(bext) < 348 or len(chunks.get(b"fmt ", b"")) < 8:
        return None
    (sample_rate,) = struct.unpack_from("<I", chunks[b"fmt "], 4)
    (samples,) = struct.unpack_from("<Q", bext, 338)
    rate = re.search(r"<TIMECODE_RATE>(\d+)/(\d+)<", about)
    return Broadcast(
        description=bext[:256].rstrip(b"\0").decode("ascii", "replace"),
        originator=bext[256:288].rstrip(b"\0").decode("ascii", "replace"),
        originated=_date(bext[320:338]),
        start=Fraction(samples, sample_rate),
        frame_rate=Fraction(int(rate[1]), int(rate[2])) if rate else None,
        drop_frame="<TIMECODE_FLAG>DF<" in about,
        project=_said(about, "PROJECT"),
        scene=_said(about, "SCENE"),
        take=_said(about, "TAKE"),
        track_names=tuple(map(unescape, re.findall(r"<NAME>([^<]*)<", about))) or ("Foley",),
    )


def _date(said: bytes) -> datetime | None:
    """OriginationDate and OriginationTime; writers part the digits as they like."""
    found = re.fullmatch(rb"(\d{4}).(\d\d).(\d\d)(\d\d).(\d\d).(\d\d)", said)
    if not found:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _said(about: str, tag: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)<", about)
    return unescape(found[1]) if found else ""


def _chunks(wav: Path) -> Iterator[tuple[bytes, bytes]]:
    """Chunks before the samples."""
    with wav.open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data":
                return
            content = file.read(min(size, _LARGEST))
            file.seek(size + size % 2 - len(content), 1)
            yield name, content
